import { randomTokens } from '../prompts.js';
import type { PlannedRequest, PromptSource, Schedule } from '../types.js';

export interface SharedPrefixOptions {
  /** Of the prompts that two requests have in common. */
  readonly sharedTokens: number;
  /** Of each prompt besides. */
  readonly ownTokens: number;
  readonly outputTokens: number;
}

/** Pairs of requests, one request at a time: what does the second gain from what the first has left behind? */
export function sharedPrefixWorkload(options: SharedPrefixOptions, pairs: number): Schedule {
  const { sharedTokens, ownTokens, outputTokens } = options;
  const request = (kind: string): PlannedRequest => ({
    kind,
    promptTokens: sharedTokens + ownTokens,
    outputTokens,
  });
  const requests = Array.from({ length: pairs }, () => [request('first'), request('second')]).flat();
  return { type: 'closed', clients: 1, requests };
}

/** A prefix of random ids for each `first`, which the `second` after it repeats; what follows is its own. */
export function sharedPrefixPrompts(
  seed: number,
  { sharedTokens, ownTokens }: SharedPrefixOptions,
): PromptSource {
  const tokens = randomTokens(seed);
  let shared: number[] = [];
  return ({ kind }) => {
    if (kind === 'first') shared = tokens(sharedTokens);
    return [...shared, ...tokens(ownTokens)];
  };
}
