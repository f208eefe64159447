import type { RequestRecord } from '../types.js';

type Times = Pick<RequestRecord, 'sent' | 'tokens'>;

/** Time to first token, ms: from sending to the first chunk that has a token. Null when there was none. */
export function timeToFirstToken({ sent, tokens }: Times): number | null {
  return tokens.length === 0 ? null : tokens[0]! - sent;
}

/**
 * Time per output token, ms: the mean gap after the first token, (E2E − TTFT) / (tokens − 1). Null below two
 * tokens.
 */
export function timePerOutputToken({ tokens }: Times): number | null {
  return tokens.length < 2 ? null : (tokens.at(-1)! - tokens[0]!) / (tokens.length - 1);
}

/**
 * Inter-token latencies, ms: every gap between tokens, so that a stall shows that a mean would hide. Tokens that
 * arrive together, as guesses that were right do, have none between them: as in vLLM's benchmark, else a server
 * that speculates would have a median of 0.
 */
export function interTokenLatencies({ tokens }: Times): number[] {
  return gapsBetween(tokens).map(({ from, to }) => to - from);
}

/** From one arrival to the next, as often as there was one. */
export function gapsBetween(times: readonly number[]): { readonly from: number; readonly to: number }[] {
  return times
    .slice(1)
    .map((to, index) => ({ from: times[index]!, to }))
    .filter(({ from, to }) => to > from);
}
