import type { Sampler } from './sampler.js';

/**
 * Samples the tokens after a draft's rows, `logits` `[draft.length + 1, vocabulary]`, one by one as if each row
 * had been a step of its own, and stops at the first that is not what was drafted, since what follows was
 * computed from the wrong token. So the sequence's draws, and for equal logits its tokens, are those that it
 * would have without a draft, and at least one comes. Overwrites `logits`; throws as `Sampler.sample` does.
 */
export function verify(sampler: Sampler, draft: readonly number[], logits: Float32Array): number[] {
  const vocabulary = logits.length / (draft.length + 1);
  const tokens: number[] = [];
  do {
    const row = tokens.length;
    tokens.push(sampler.sample(logits.subarray(row * vocabulary, (row + 1) * vocabulary)));
  } while (tokens.at(-1) === draft[tokens.length - 1]);
  return tokens;
}
