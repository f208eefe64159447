import { createSend } from '../bench/drivers/send.js';
import { runClosed } from '../bench/drivers/closed.js';
import { randomPrompts } from '../bench/prompts.js';
import { openAiDialect } from '../bench/targets/dialect.js';
import { HttpTarget } from '../bench/targets/http-target.js';
import { throughputOf } from '../bench/trial.js';

/** So many clients, each with so many requests one after another. */
export interface ClosedLoad {
  readonly clients: number;
  readonly requests: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly seed: number;
}

export interface Loaded {
  readonly tokensPerSecond: number;
  /** From the first request to the last token, seconds. */
  readonly seconds: number;
}

/** Puts a system under load as the benchmark does. Throws when a request fails: its numbers would mean nothing. */
export async function load(url: string, closed: ClosedLoad, signal: AbortSignal): Promise<Loaded> {
  const { clients, promptTokens, outputTokens, seed } = closed;
  const target = new HttpTarget(url, openAiDialect('default'));
  const requests = Array.from({ length: clients * closed.requests }, () => ({
    kind: 'closed',
    promptTokens,
    outputTokens,
  }));
  const started = performance.now();
  const send = createSend(target, randomPrompts(seed), signal);
  const records = await runClosed({ type: 'closed', clients, requests }, send);
  const failure = records.find(({ error }) => error !== null);
  if (failure !== undefined) throw new Error(`a request failed under load: ${failure.error}`);
  return { tokensPerSecond: throughputOf({ records }), seconds: (performance.now() - started) / 1000 };
}
