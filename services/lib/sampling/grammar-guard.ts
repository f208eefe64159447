import type { Matcher } from '../grammar/matcher.js';
import { argmax } from './logits.js';

/** Keeps a sequence to its grammar: what may come next, and where it may end. */
export class GrammarGuard {
  readonly #matcher: Matcher;
  /** Tokens that end the sequence: where the grammar may end and nowhere else, even where it has them as text. */
  readonly #ends: ReadonlySet<number>;
  #over = false;

  constructor(matcher: Matcher, ends: Iterable<number>) {
    this.#matcher = matcher;
    this.#ends = new Set(ends);
  }

  /** Nothing may come after what has been accepted. */
  get ended(): boolean {
    return this.#over || this.#matcher.ended;
  }

  /**
   * Leaves of the logits what may come next. `goesOn`: it is not to end yet, if anything else may come. Throws
   * `invalid_grammar` where no token of the model goes on.
   */
  mask(logits: Float32Array, goesOn: boolean): void {
    const ends = [...this.#ends].map((id) => [id, logits[id]!] as const);
    keepOnly(logits, this.#matcher.mask());
    for (const [id] of ends) logits[id] = -Infinity;
    if (!this.#matcher.complete || (goesOn && logits[argmax(logits)] !== -Infinity)) return;
    for (const [id, logit] of ends) logits[id] = logit;
  }

  /** Goes on by a token that `mask` has left. Throws for another. */
  accept(token: number): void {
    if (this.#ends.has(token) && this.#matcher.complete) this.#over = true;
    else if (!this.#matcher.accept(token)) throw new Error(`the grammar does not allow token ${token}`);
  }
}

/** Bit `id & 31` of word `id >> 5` says whether a token may stay. */
function keepOnly(logits: Float32Array, mask: Uint32Array): void {
  for (let word = 0; word < mask.length; word += 1) {
    const bits = mask[word]!;
    const start = word << 5;
    if (bits === 0) logits.fill(-Infinity, start, start + 32);
    else if (bits !== 0xffff_ffff) {
      for (let bit = 0; bit < 32; bit += 1) if (((bits >>> bit) & 1) === 0) logits[start + bit] = -Infinity;
    }
  }
}
