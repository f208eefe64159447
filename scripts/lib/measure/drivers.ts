import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { within } from '../wait-until.js';
import type { PlannedRequest, PromptSource, RequestRecord, Schedule, Target } from './types.js';

/** Sends one request and tells what became of it; never rejects, except when the benchmark is stopped. */
export type Send = (planned: PlannedRequest, onTokens?: (soFar: number) => void) => Promise<RequestRecord>;

/** A server that has fallen silent ends a request after this. */
export const REQUEST_TIMEOUT_MS = 600_000;

/** Times count from the making of the sender. */
export function createSend(
  target: Target,
  prompts: PromptSource,
  signal: AbortSignal,
  timeoutMs = REQUEST_TIMEOUT_MS,
): Send {
  const origin = performance.now();
  return async (planned, onTokens) => {
    const { kind, outputTokens } = planned;
    const prompt = prompts(planned);
    const tokens: number[] = [];
    const onMore = (count: number): void => {
      const now = performance.now() - origin;
      for (let index = 0; index < count; index++) tokens.push(now);
      onTokens?.(tokens.length);
    };
    const sent = performance.now() - origin;
    let error: string | null = null;
    try {
      await within(timeoutMs, signal, (limit) => target.complete({ prompt, outputTokens }, onMore, limit));
      if (tokens.length !== outputTokens) error = `${tokens.length} tokens came, not ${outputTokens}`;
    } catch (reason) {
      signal.throwIfAborted();
      error = reason instanceof Error ? reason.message : String(reason);
    }
    return { kind, promptTokens: prompt.length, outputTokens, sent, tokens, error };
  };
}

/** So many requests of a kind for some clients. */
export const closedSchedule = (clients: number, number: number, planned: PlannedRequest): Schedule => ({
  type: 'closed',
  clients,
  requests: Array<PlannedRequest>(number).fill(planned),
});

/** A seed for the prompts of what has such a name: always the same, and another for every other name. */
export const promptSeed = (...name: readonly (string | number)[]): number =>
  createHash('sha256').update(name.join(' ')).digest().readUInt32LE();

/** Sends every request of a schedule when its turn comes, and resolves when all have been answered. */
export function runSchedule(schedule: Schedule, send: Send, signal: AbortSignal): Promise<RequestRecord[]> {
  switch (schedule.type) {
    case 'closed':
      return runClosed(schedule, send);
    case 'open':
      return runOpen(schedule, send, signal);
    case 'injection':
      return runInjection(schedule, send);
  }
}

type Of<Type extends Schedule['type']> = Extract<Schedule, { type: Type }>;

/** Every client sends the next request that is left when its last has been answered. */
async function runClosed({ clients, requests }: Of<'closed'>, send: Send): Promise<RequestRecord[]> {
  const left = requests.values();
  const records: RequestRecord[] = [];
  const client = async (): Promise<void> => {
    for (const planned of left) records.push(await send(planned));
  };
  await Promise.all(Array.from({ length: clients }, client));
  return records;
}

/** Every request is sent when it is due, so that a slow server is not spared the load that it cannot take. */
async function runOpen({ arrivals }: Of<'open'>, send: Send, signal: AbortSignal): Promise<RequestRecord[]> {
  const origin = performance.now();
  const sent: Promise<RequestRecord>[] = [];
  try {
    for (const arrival of [...arrivals].sort((one, other) => one.at - other.at)) {
      // Rounded up, for timers drop fractions of a millisecond.
      const left = Math.ceil(arrival.at * 1000 - (performance.now() - origin));
      await delay(Math.max(0, left), undefined, { signal });
      sent.push(send(arrival));
    }
  } finally {
    // Also when the benchmark is stopped, so that no request is left behind.
    await Promise.allSettled(sent);
  }
  return Promise.all(sent);
}

/** Sends the long request alone, then beside requests that are running. */
async function runInjection(
  { alone, running, afterTokens, injected }: Of<'injection'>,
  send: Send,
): Promise<RequestRecord[]> {
  const first = await send(alone);
  const started = running.map((planned) => startRunning(planned, afterTokens, send));
  await Promise.all(started.map(({ settled }) => settled));
  const last = await send(injected);
  return [first, ...(await Promise.all(started.map(({ record }) => record))), last];
}

/** `settled` once it has so many tokens, or has ended: one that fails early must not keep the others waiting. */
function startRunning(
  planned: PlannedRequest,
  afterTokens: number,
  send: Send,
): { record: Promise<RequestRecord>; settled: Promise<unknown> } {
  let settle: (value?: unknown) => void = () => undefined;
  const settled = new Promise<unknown>((resolve) => (settle = resolve));
  const record = send(planned, (soFar) => {
    if (soFar >= afterTokens) settle();
  });
  return { record, settled: Promise.race([settled, record]) };
}
