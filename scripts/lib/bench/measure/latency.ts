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
 * Inter-token latencies, ms: a gap for every token after the first, so that a stall shows that a mean would
 * hide. Tokens that arrive together have gaps of 0 between them.
 */
export function interTokenLatencies({ tokens }: Times): number[] {
  return tokens.slice(1).map((time, index) => time - tokens[index]!);
}
