import { expNegative, NEGLIGIBLE } from './exp-negative.js';
import type { SamplingParams } from './params.js';
import { selectTop } from './select-top.js';

type DrawParams = Pick<SamplingParams, 'temperature' | 'topK' | 'topP' | 'minP'>;

/** The tokens' weights, kept for the next draw: allocating them takes as long as a draw. */
let weights = new Float64Array();

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
  if (weights.length !== logits.length) weights = new Float64Array(logits.length);
  const sum = weigh(logits, highest, temperature, Math.min(NEGLIGIBLE, -Math.log(minP)));
  if (topK === 0 && topP === 1) return pickOfAll(uniform * sum);

  const weightOf = (id: number): number => weights[id]!;
  let ids = topK > 0 ? selectTop(heaviest(topK), logits, () => 1, topK) : null;
  if (topP < 1) {
    const total = ids === null ? sum : sumOf(ids);
    // What is lighter than this can not reach the nucleus: all of it together is less than what is left out.
    ids ??= atLeast(((1 - topP) * sum) / weights.length);
    ids = selectTop(ids, logits, weightOf, topP * total);
  }
  return pick(ids!, uniform * sumOf(ids!));
}

// Indexed loops over a local name, here and below: iterators, or the module's own variable, double the time of a
// pass over a whole vocabulary.
/**
 * Sets every token's weight, of which the likeliest has 1 and those beyond `limit` (in units of the
 * temperature) have 0; returns their sum.
 */
function weigh(logits: Float32Array, highest: number, temperature: number, limit: number): number {
  const all = weights;
  let sum = 0;
  for (let id = 0; id < logits.length; id += 1) {
    const distance = (highest - logits[id]!) / temperature;
    const weight = distance <= limit ? expNegative(distance) : 0;
    all[id] = weight;
    sum += weight;
  }
  return sum;
}

/** Ids with a weight of at least `floor`, and never those with none, ascending. */
function atLeast(floor: number): Int32Array {
  const lowest = Math.max(floor, Number.MIN_VALUE);
  const all = weights;
  const ids: number[] = [];
  for (let id = 0; id < all.length; id += 1) {
    if (all[id]! >= lowest) ids.push(id);
  }
  return Int32Array.from(ids);
}

const BLOCK = 64;

/** Few ids, with the `count` heaviest among them: all that weigh as much as the `count`-th of the blocks' greatest. */
function heaviest(count: number): Int32Array {
  const all = weights;
  const greatest = new Float64Array(Math.ceil(all.length / BLOCK));
  for (let block = 0; block < greatest.length; block += 1) {
    const end = Math.min(all.length, (block + 1) * BLOCK);
    for (let id = block * BLOCK; id < end; id += 1) {
      if (all[id]! > greatest[block]!) greatest[block] = all[id]!;
    }
  }
  return atLeast(greatest.sort().at(-count) ?? 0);
}

function sumOf(ids: Int32Array): number {
  let sum = 0;
  for (let index = 0; index < ids.length; index += 1) sum += weights[ids[index]!]!;
  return sum;
}

/** Inverse of the cumulative distribution. Rounding may leave a crumb after the last one; the last one it is, then. */
function pick(ids: Int32Array, position: number): number {
  let left = position;
  let token = -1;
  for (let index = 0; index < ids.length && left >= 0; index += 1) {
    token = ids[index]!;
    left -= weights[token]!;
  }
  return token;
}

/** The same of all tokens that weigh anything. */
function pickOfAll(position: number): number {
  const all = weights;
  let left = position;
  let token = -1;
  for (let id = 0; id < all.length && left >= 0; id += 1) {
    if (all[id] === 0) continue;
    token = id;
    left -= all[id]!;
  }
  return token;
}
