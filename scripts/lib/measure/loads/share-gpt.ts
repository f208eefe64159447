import { randomLogNormal } from 'd3-random';
import { createRandom } from '../../../../services/lib/sampling/random.js';
import { sum } from '../figures/statistics.js';
import type { PlannedRequest } from '../types.js';

/** Tokens of a request, or of requests in the mean. */
export interface Lengths {
  readonly prompt: number;
  readonly output: number;
}

/** Means of the run over ShareGPT that `timed/lmdeploy-a100.json` has, whose rates imply them. */
export const SHARE_GPT_LENGTHS: Lengths = { prompt: 247, output: 233 };

/** What the published benchmarks leave out, tokens. */
const LONGEST_PROMPT = 1024;
const LONGEST = 2048;

/**
 * Requests of such mean lengths, always the same. Nobody published how the lengths spread: they are lognormal and
 * cut as the benchmarks cut them, and `spread`, sigma of their logarithms, is an assumption; 0 makes all equal.
 */
export function shareGptRequests(requests: number, mean = SHARE_GPT_LENGTHS, spread = 1): PlannedRequest[] {
  const draw = randomLogNormal.source(createRandom(1))(-(spread ** 2) / 2, spread);
  const drawn: Lengths[] = [];
  while (drawn.length < requests) {
    const lengths = { prompt: mean.prompt * draw(), output: mean.output * draw() };
    if (lengths.prompt <= LONGEST_PROMPT && lengths.prompt + lengths.output <= LONGEST) drawn.push(lengths);
  }
  // What was cut off has lowered the means.
  const rise = {
    prompt: (mean.prompt * requests) / sum(drawn.map(({ prompt }) => prompt)),
    output: (mean.output * requests) / sum(drawn.map(({ output }) => output)),
  };
  return drawn.map(({ prompt, output }) => ({
    kind: 'sharegpt',
    promptTokens: Math.max(1, Math.round(prompt * rise.prompt)),
    outputTokens: Math.max(1, Math.round(output * rise.output)),
  }));
}
