import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { postJson } from '../measure/http-target.js';

/** How often a client comes again that was told to come later. */
const MOST_TRIES = 20;

/**
 * Posts, and posts again while the server is full, after as long as it says: what OpenAI's client does. Returns the
 * first response that is not 429, or the last. Rejects when none comes. `onRefused` is told of each 429.
 */
export async function postPatiently(
  url: string,
  body: string | object,
  signal: AbortSignal,
  onRefused: () => void = () => undefined,
): Promise<IncomingMessage> {
  const content = typeof body === 'string' ? body : JSON.stringify(body);
  for (let tries = 1; ; tries++) {
    const response = await postJson(url, content, signal);
    if (!isBusy(response) || tries === MOST_TRIES) return response;
    onRefused();
    response.resume();
    await delay(Number(response.headers['retry-after']) * 1_000, undefined, { signal });
  }
}

/** Whether a server is full and says when to come again: 429 without `Retry-After` is no advice. */
export const isBusy = ({ statusCode, headers }: IncomingMessage): boolean =>
  statusCode === 429 && Number(headers['retry-after']) > 0;

/** For messages: the status and the beginning of the body. */
export async function described(response: IncomingMessage): Promise<string> {
  return `${response.statusCode ?? '?'} ${(await text(response)).slice(0, 200)}`;
}

const PATH = '/v1/completions';
const CHAT = '/v1/chat/completions';
const messages = [{ role: 'user', content: 'Hello' }];

/** Deeper than JSON is meant to be. */
const brackets = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;

/** Paths and bodies that cannot be served, each for a reason of its own. */
export const BAD_REQUESTS: readonly (readonly [path: string, body: string | object])[] = [
  [PATH, ''],
  [PATH, '{"prompt": "a'],
  [PATH, '[]'],
  [PATH, 'null'],
  [PATH, { prompt: [1, 2, 999_999_999] }],
  [PATH, { prompt: [1, -2] }],
  [PATH, { prompt: [1.5] }],
  [PATH, { prompt: [2 ** 53] }],
  [PATH, { prompt: 'a', max_tokens: -1 }],
  [PATH, { prompt: 'a', max_tokens: 1.5 }],
  [PATH, { prompt: 'a', temperature: 1e308 }],
  [PATH, { prompt: 'a', n: 1e6 }],
  [PATH, { prompt: 'a', logit_bias: { 999999999: 5 } }],
  [PATH, { prompt: 'a', stop: Array<string>(1_000).fill('b') }],
  [CHAT, { messages: [] }],
  [CHAT, { messages: [{ role: 'nobody', content: 'a' }] }],
  [CHAT, { messages: 'a' }],
  [CHAT, { messages, model: 'another' }],
  [CHAT, `{"messages": ${JSON.stringify(messages)}, "modalities": ${brackets}}`],
  ['/tokenize', { prompt: 5 }],
  ['/detokenize', { tokens: [999_999_999] }],
  ['/v1/nothing', {}],
];
