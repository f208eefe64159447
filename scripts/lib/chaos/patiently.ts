import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { postJson } from '../bench/targets/http-target.js';

/** How often a client comes again that was told to come later. */
const MOST_TRIES = 20;

/**
 * Posts, and posts again while the server is full, after as long as it says: what OpenAI's client does. Returns the
 * first response that is not 429, or the last. Rejects when none comes.
 */
export async function postPatiently(
  url: string,
  body: string | object,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const content = typeof body === 'string' ? body : JSON.stringify(body);
  for (let tries = 1; ; tries++) {
    const response = await postJson(url, content, signal);
    if (!isBusy(response) || tries === MOST_TRIES) return response;
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
