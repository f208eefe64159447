import { ChainedEngine } from '../../../scripts/lib/model/compare-engines.js';
import type { Engine } from '../../../services/lib/engine/types.js';

/** Tokens of one sequence in a step. */
export interface Part {
  readonly sequence: string;
  readonly position: number;
  readonly tokens: readonly number[];
  /** Rows of logits that are wanted; of the last token by default. */
  readonly logits?: number;
}

/**
 * Runs a step through a chain of stages, each of which takes the activations of the one before. Returns each
 * part's logits.
 */
export async function stepThrough(
  engines: readonly Engine[],
  parts: readonly Part[],
): Promise<Float32Array[]> {
  const items = parts.map(({ sequence, position, tokens, logits = 1 }) => ({
    sequence,
    position,
    count: tokens.length,
    logits,
  }));
  const tokens = Int32Array.from(parts.flatMap((part) => part.tokens));
  const logits = (await new ChainedEngine(engines).step({ items, tokens })).logits!;
  const vocabulary = logits.length / items.reduce((sum, item) => sum + item.logits, 0);
  let end = 0;
  return items.map((item) => logits.slice(end, (end += item.logits * vocabulary)));
}

export const largestDifference = (a: Float32Array, b: Float32Array): number =>
  a.reduce((largest, value, index) => Math.max(largest, Math.abs(value - b[index]!)), 0);

/** The length of `a - b` over that of `b`. */
export function relativeDifference(a: Float32Array, b: Float32Array): number {
  const length = (values: Float32Array): number => Math.hypot(...values);
  return length(a.map((value, index) => value - b[index]!)) / length(b);
}
