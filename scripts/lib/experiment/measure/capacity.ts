import { sum } from '../../bench/measure/statistics.js';
import type { PlannedRequest } from '../../bench/types.js';
import type { Trial } from '../types.js';

/** What a token costs one replica of a stage, seconds of its engine. */
export interface TokenCost {
  readonly app: string;
  readonly prompt: number;
  readonly output: number;
}

/**
 * From a trial in which every stage has one replica and all work it can get: what its engine did for prompts and for
 * outputs, each divided by the tokens that came of it. Time that the kernel held the engine back to keep its CPU limit
 * counts, for a replica can not do better.
 */
export function tokenCosts({ records, observations }: Pick<Trial, 'records' | 'observations'>): TokenCost[] {
  const promptTokens = sum(records.map((record) => record.promptTokens));
  const outputTokens = sum(records.map(({ tokens }) => tokens.length));
  const [first, last] = [observations[0], observations.at(-1)];
  return (last?.pods ?? []).flatMap(({ name, app, counters }) => {
    const before = first?.pods.find((pod) => pod.name === name)?.counters;
    if (counters === null || !before) return [];
    return [
      {
        app,
        prompt: (counters.prefillStepSeconds - before.prefillStepSeconds) / promptTokens,
        output: (counters.decodeStepSeconds - before.decodeStepSeconds) / outputTokens,
      },
    ];
  });
}

/** Seconds of a stage's engine that requests ask for. */
export const workOf = (requests: readonly PlannedRequest[], { prompt, output }: TokenCost): number =>
  sum(requests.map(({ promptTokens, outputTokens }) => promptTokens * prompt + outputTokens * output));
