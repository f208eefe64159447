import type { Timings } from '../../gateway/telemetry/timings.js';
import { ApiError, call, eventsOf, toApiError } from '../state/api.js';
import {
  change,
  conversations,
  newId,
  patch,
  save,
  settings,
  type Ending,
  type Message,
  type Receipt,
  type Settings,
} from './conversations.js';

interface Chunk {
  readonly choices: readonly {
    readonly delta?: { readonly content?: string };
    readonly token_ids?: readonly number[];
    readonly finish_reason?: 'stop' | 'length' | null;
  }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens: number };
  } | null;
  readonly timings?: Timings;
  readonly error?: unknown;
}

/** What runs in this page, by its conversation. */
const running = new Map<string, AbortController>();

export const stop = (conversation: string): void => running.get(conversation)?.abort();

/** Says something in a conversation and streams the answer into it. */
export function say(conversation: string, text: string): Promise<void> {
  const said: Message = { id: newId(), role: 'user', text };
  change(conversation, (all) => [...all, said]);
  return answer(conversation);
}

/** Gives another answer to what the last one was to. */
export function retry(conversation: string, message: string): Promise<void> {
  change(conversation, (all) =>
    all.slice(
      0,
      all.findIndex(({ id }) => id === message),
    ),
  );
  return answer(conversation);
}

async function answer(conversation: string): Promise<void> {
  if (running.has(conversation)) return;
  const history = conversations.value.find(({ id }) => id === conversation)?.messages ?? [];
  const id = newId();
  const controller = new AbortController();
  running.set(conversation, controller);
  change(conversation, (all) => [...all, { id, role: 'assistant', text: '', ending: 'running' }]);
  try {
    const body = bodyOf(history, settings.value);
    await stream(body, controller.signal, (fields) => patch(conversation, id, fields));
  } catch (error) {
    if (controller.signal.aborted) patch(conversation, id, { ending: 'stopped' });
    else patch(conversation, id, { ending: 'failed', error: wordsOf(error) });
  } finally {
    running.delete(conversation);
    save();
  }
}

async function stream(
  body: object,
  signal: AbortSignal,
  tell: (fields: Partial<Message>) => void,
): Promise<void> {
  const asked = performance.now();
  const headers = { 'x-layermesh-timing': 'true' };
  const response = await call('v1/chat/completions', { right: 'use', body, headers, signal });
  let text = '';
  let tokens = 0;
  /** When the first came, and how many with it, which took no time. */
  let [first, early] = [0, 0];
  let ending: Ending = 'running';
  const guessed: (readonly [number, number])[] = [];
  let receipt: Receipt = {
    requestId: response.headers.get('x-request-id') ?? '',
    route: response.headers.get('x-layermesh-route') ?? '',
    ttftMs: null,
    tokensPerSecond: null,
    promptTokens: 0,
    cachedTokens: 0,
    tokens: 0,
    timings: null,
    guessed: [],
  };
  const shown = throttled(() => tell({ text, receipt: { ...receipt, guessed: [...guessed] }, ending }));
  try {
    for await (const { data } of eventsOf(response)) {
      if (data === '[DONE]') break;
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.error !== undefined) throw toApiError(chunk, 500);
      const [choice] = chunk.choices;
      const piece = choice?.delta?.content ?? '';
      const came = choice?.token_ids?.length ?? 0;
      if (came > 0) {
        const last = performance.now();
        if (tokens === 0) [first, early] = [last, came];
        tokens += came;
        if (came > 1) guessed.push([text.length, text.length + piece.length]);
        receipt = {
          ...receipt,
          tokens,
          ttftMs: receipt.ttftMs ?? last - asked,
          tokensPerSecond: last > first ? ((tokens - early) / (last - first)) * 1000 : null,
        };
      }
      text += piece;
      ending = choice?.finish_reason ?? ending;
      if (chunk.usage) {
        const { prompt_tokens: promptTokens, prompt_tokens_details: details } = chunk.usage;
        receipt = { ...receipt, promptTokens, cachedTokens: details?.cached_tokens ?? 0 };
      }
      if (chunk.timings !== undefined) receipt = { ...receipt, timings: chunk.timings };
      shown.soon();
    }
  } finally {
    shown.now();
  }
  if (ending === 'running') throw new ApiError(0, 'stream_broken', 'The answer broke off.');
}

/** Of the time that there is, showing takes at most one part in so many. */
const SHOWING_SHARE = 6;
const FRAME_MS = 16;

/** Shows what has changed soon, but not so often that a long answer keeps the page busy with itself. */
function throttled(show: () => void): { soon(): void; now(): void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let took = 0;
  const now = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const began = performance.now();
    show();
    // Drawing comes right after.
    setTimeout(() => (took = performance.now() - began));
  };
  return {
    soon: () => void (timer ??= setTimeout(now, Math.max(FRAME_MS, took * SHOWING_SHARE))),
    now,
  };
}

/** Fields that are left empty are the model's own. */
export function bodyOf(history: readonly Message[], set: Settings): object {
  const number = (name: string, text: string): object =>
    text.trim() === '' || !Number.isFinite(Number(text)) ? {} : { [name]: Number(text) };
  const system = set.system.trim() === '' ? [] : [{ role: 'system', content: set.system }];
  const said = history
    .filter(({ role, text }) => role === 'user' || text !== '')
    .map(({ role, text }) => ({ role, content: text }));
  return {
    model: set.model === '' ? 'default' : set.model,
    messages: [...system, ...said],
    stream: true,
    stream_options: { include_usage: true },
    return_token_ids: true,
    ...number('temperature', set.temperature),
    ...number('top_p', set.topP),
    ...number('max_tokens', set.maxTokens),
    ...number('seed', set.seed),
  };
}

function wordsOf(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error);
  const later = error.retryAfter === null ? '' : ` Try again in ${error.retryAfter} s.`;
  return `${error.message} [${error.code}]${later}`;
}
