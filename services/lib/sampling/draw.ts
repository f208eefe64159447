import type { SamplingParams } from './params.js';
import { selectTop } from './select-top.js';

type DrawParams = Pick<SamplingParams, 'temperature' | 'topK' | 'topP' | 'minP'>;

/**
 * Draws a token from softmax(logits / temperature), cut as vLLM cuts it: first min_p (at least that share of
 * the likeliest token's probability), then top_k, then top_p of what is left, renormalised. `highest` is the
 * highest logit, `uniform` a number in [0, 1).
 *
 * Candidates stay in the order of their ids, so that logits which differ in a last bit, as they may between
 * batches, move the outcome of a draw as little as they move the probabilities.
 */
export function draw(logits: Float32Array, highest: number, params: DrawParams, uniform: number): number {
  const { temperature, topK, topP, minP } = params;
  let ids = idsFrom(logits, highest + temperature * Math.log(minP));
  if (topK > 0) ids = selectTop(ids, logits, () => 1, topK);

  const weights = new Float64Array(logits.length);
  for (let index = 0; index < ids.length; index += 1) {
    const id = ids[index]!;
    weights[id] = Math.exp((logits[id]! - highest) / temperature);
  }

  if (topP < 1) ids = selectTop(ids, logits, (id) => weights[id]!, topP * sumOf(ids, weights));
  return pick(ids, weights, uniform * sumOf(ids, weights));
}

/** The ids whose logit is at least `floor` and not suppressed, ascending. */
function idsFrom(logits: Float32Array, floor: number): Int32Array {
  const lowest = Math.max(floor, -Number.MAX_VALUE);
  const ids = new Int32Array(logits.length);
  let count = 0;
  for (let id = 0; id < logits.length; id += 1) {
    if (logits[id]! >= lowest) ids[count++] = id;
  }
  return ids.subarray(0, count);
}

// Indexed loops here and below: iterators double the time of a step over a whole vocabulary.
function sumOf(ids: Int32Array, weights: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < ids.length; index += 1) sum += weights[ids[index]!]!;
  return sum;
}

/** Inverse of the cumulative distribution. */
function pick(ids: Int32Array, weights: Float64Array, position: number): number {
  let left = position;
  let token = -1;
  for (let index = 0; index < ids.length && left >= 0; index += 1) {
    const id = ids[index]!;
    if (weights[id] === 0) continue;
    token = id;
    left -= weights[id]!;
  }
  // Rounding may leave a crumb after the last one; the last one it is, then.
  return token;
}
