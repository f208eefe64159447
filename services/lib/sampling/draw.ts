import type { SamplingParams } from './params.js';

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
    // What is lighter than this cannot reach the nucleus: all of it together is less than what is left out.
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

const STEPS = 256;

/**
 * From here on e^-x counts for nothing: a whole vocabulary of 2^18 such tokens has less than 2^-39 of the
 * likeliest's weight.
 */
export const NEGLIGIBLE = 40;

const POWERS = Float64Array.from({ length: NEGLIGIBLE * STEPS + 1 }, (_, index) => Math.exp(-index / STEPS));

/**
 * e^-x for x in [0, NEGLIGIBLE], with a relative error below 10^-11, where the logits themselves have 10^-7: a
 * power from the table times three terms of the series for what is left. Several times as fast as `Math.exp`.
 */
export function expNegative(x: number): number {
  const index = (x * STEPS) | 0;
  const rest = x - index / STEPS;
  return POWERS[index]! * (1 - rest * (1 - rest * (1 / 2 - rest / 6)));
}

/**
 * The fewest highest-ranked ids whose weights together reach `target`, in the order in which they came; all of
 * them if they do not reach it. A higher logit ranks higher, and of equal ones the lower id, so the answer
 * is unique. Top-k weighs each id 1, top-p by its probability.
 *
 * A weighted quickselect: each round splits what is left by a pivot and keeps the side that holds the
 * boundary. Expected time is linear where a sort of a vocabulary would be n log n.
 */
export function selectTop(
  ids: Int32Array,
  logits: Float32Array,
  weightOf: (id: number) => number,
  target: number,
): Int32Array {
  const lowest = lowestKept(ids.slice(), logits, weightOf, target);
  if (lowest === undefined) return ids;
  return ids.filter((id) => !outranks(logits, lowest, id));
}

const outranks = (logits: Float32Array, a: number, b: number): boolean =>
  logits[a]! > logits[b]! || (logits[a] === logits[b] && a < b);

/** Reorders `ids`. */
function lowestKept(
  ids: Int32Array,
  logits: Float32Array,
  weightOf: (id: number) => number,
  target: number,
): number | undefined {
  let [start, end, missing] = [0, ids.length, target];
  while (start < end) {
    const middle = (start + end) >> 1;
    const pivot = ids[middle]!;
    ids[middle] = ids[start]!;

    let above = start;
    let weight = 0;
    for (let next = start + 1; next < end; next += 1) {
      const id = ids[next]!;
      if (!outranks(logits, id, pivot)) continue;
      weight += weightOf(id);
      ids[next] = ids[above + 1]!;
      ids[above] = id;
      above += 1;
    }

    if (weight >= missing) {
      end = above;
    } else {
      missing -= weight + weightOf(pivot);
      if (missing <= 0) return pivot;
      start = above + 1;
    }
  }
  return undefined;
}
