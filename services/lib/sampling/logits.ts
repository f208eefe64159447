import { ServingError } from '../errors/serving-error.js';
import { expNegative, NEGLIGIBLE } from './draw.js';
import type { TokenLogprob } from './step-tokens.js';

/** More of the likeliest tokens beside one are told to nobody. */
export const MAX_LOGPROBS = 20;

/** What the model thinks of all tokens that may come next: a row of logits `[vocabulary]`, which is read, and must not change. */
export class RatedLogits {
  readonly #logits: Float32Array;
  /** Logarithm of what a token's weight is divided by. */
  readonly #total: number;
  readonly #ids: readonly number[];

  /** `likeliest`: so many of the likeliest tokens are told beside each. Throws `logits_invalid`. */
  constructor(logits: Float32Array, likeliest: number) {
    const highest = logits[requireFinite(logits)]!;
    let sum = 0;
    for (let id = 0; id < logits.length; id += 1) {
      const distance = highest - logits[id]!;
      if (distance <= NEGLIGIBLE) sum += expNegative(distance);
    }
    this.#logits = logits;
    this.#total = highest + Math.log(sum);
    this.#ids = highestOf(logits, Math.min(likeliest, MAX_LOGPROBS));
  }

  /** Throws `invalid_frame` for a token outside the vocabulary. */
  of(token: number): TokenLogprob {
    const logits = this.#logits;
    const own = logits[token];
    if (own === undefined) throw new ServingError('invalid_frame', `token ${token} of ${logits.length}`);
    let rank = 1;
    for (let id = 0; id < logits.length; id += 1) {
      if (logits[id]! > own || (logits[id] === own && id < token)) rank += 1;
    }
    const values = this.#ids.map((id) => logits[id]! - this.#total);
    return { logprob: own - this.#total, rank, ids: this.#ids, values };
  }
}

/** The ids of the highest values, highest first, and of equal ones the lowest first. */
function highestOf(values: Float32Array, count: number): number[] {
  const ids: number[] = [];
  let least = count === 0 ? Infinity : -Infinity;
  for (let id = 0; id < values.length; id += 1) {
    const value = values[id]!;
    if (value <= least) continue;
    if (ids.length === count) ids.pop();
    let at = ids.length;
    while (at > 0 && values[ids[at - 1]!]! < value) at -= 1;
    ids.splice(at, 0, id);
    if (ids.length === count) least = values[ids.at(-1)!]!;
  }
  return ids;
}

/** The token of the highest logit. Throws `logits_invalid` when one is not a finite number. */
export function requireFinite(logits: Float32Array): number {
  const best = finiteArgmax(logits);
  if (best !== -1) return best;
  const token = logits.findIndex((logit) => !Number.isFinite(logit));
  throw invalidLogit(token, logits[token]!);
}

export const invalidLogit = (token: number, logit: number): ServingError =>
  new ServingError('logits_invalid', `the logit of token ${token} is ${logit}`);

/** The index of the highest value; of equal ones the lowest; -1 if one of them is not a finite number. */
function finiteArgmax(values: Float32Array): number {
  let best = 0;
  let highest = values[0]!;
  let left = 0;
  let right = 0;
  const whole = values.length & ~3;
  // Four at once: checking and comparing a vocabulary's logits then takes a fifth of the time. A finite number
  // times 0 is 0, any other is NaN and stays it; and sums of two float32 cannot overflow.
  for (let index = 0; index < whole; index += 4) {
    const a = values[index]!;
    const b = values[index + 1]!;
    const c = values[index + 2]!;
    const d = values[index + 3]!;
    left += (a + b) * 0;
    right += (c + d) * 0;
    if (a > highest) [highest, best] = [a, index];
    if (b > highest) [highest, best] = [b, index + 1];
    if (c > highest) [highest, best] = [c, index + 2];
    if (d > highest) [highest, best] = [d, index + 3];
  }
  for (let index = whole; index < values.length; index += 1) {
    const value = values[index]!;
    left += value * 0;
    if (value > highest) [highest, best] = [value, index];
  }
  return left + right === 0 ? best : -1;
}

/** The index of the highest value; of equal ones the lowest. */
export function argmax(values: Float32Array): number {
  let best = 0;
  for (let index = 1; index < values.length; index += 1) {
    if (values[index]! > values[best]!) best = index;
  }
  return best;
}
