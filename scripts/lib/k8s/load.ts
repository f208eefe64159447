import { setTimeout as delay } from 'node:timers/promises';
import { clientKey } from '../shown-keys.js';
import { expect } from './kubectl.js';

export interface LoadOptions {
  /** Requests at once. */
  readonly clients: number;
  readonly maxTokens: number;
}

/** What became of the requests of a load. */
export interface LoadResult {
  readonly answered: number;
  readonly tokens: number;
  /** Reasons of those that failed. */
  readonly failures: readonly string[];
  readonly seconds: number;
}

const PAUSE_AFTER_FAILURE_MS = 500;
const WORDS = 'Once upon a time there was a small machine that wanted to count all the stars';

/**
 * Sends completions to a gateway until the signal aborts, each client its next when the last is answered; those that
 * run then are let end, so that whatever failed has failed by itself.
 */
export async function makeLoad(
  url: string,
  { clients, maxTokens }: LoadOptions,
  signal: AbortSignal,
): Promise<LoadResult> {
  const started = performance.now();
  const failures: string[] = [];
  let answered = 0;
  let tokens = 0;
  const client = async (number: number): Promise<void> => {
    for (let turn = 0; !signal.aborted; turn++) {
      try {
        // Not `tokens += await …`, which would add to what it was before.
        const count = await complete(url, `${number} ${turn} ${WORDS}`, maxTokens);
        tokens += count;
        answered++;
      } catch (error) {
        failures.push(String(error));
        await delay(PAUSE_AFTER_FAILURE_MS);
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  return { answered, tokens, failures, seconds: (performance.now() - started) / 1000 };
}

const REQUEST_TIMEOUT_MS = 300_000;

/** Returns how many tokens came; throws what the gateway refuses, and an answer that is cut short. */
async function complete(url: string, prompt: string, maxTokens: number): Promise<number> {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...clientKey() },
    body: JSON.stringify({ model: 'default', prompt, max_tokens: maxTokens, ignore_eos: true }),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  const { usage } = JSON.parse(text) as { usage: { completion_tokens: number } };
  if (usage.completion_tokens !== maxTokens)
    throw new Error(`${usage.completion_tokens} of ${maxTokens} tokens`);
  return usage.completion_tokens;
}

/** What became of the requests that ran while `work` did. Throws `cluster_failed` when any failed, or none was answered. */
export async function underLoad(
  what: string,
  url: string,
  options: LoadOptions,
  work: () => Promise<void>,
): Promise<LoadResult> {
  const stop = new AbortController();
  const load = makeLoad(url, options, stop.signal);
  try {
    await work();
  } finally {
    stop.abort();
    await load;
  }
  const { answered, failures } = await load;
  const reasons = [...new Set(failures)].slice(0, 3).join('; ');
  const all = answered + failures.length;
  expect(failures.length === 0, `${what}: ${failures.length} of ${all} failed: ${reasons}`);
  expect(answered > 0, `${what}: nothing was answered`);
  return load;
}
