/** Tokens that have to match for what followed them to be worth a guess. */
export const SHORTEST_MATCH = 2;
/** Matches are told apart up to this length. */
export const LONGEST_MATCH = 5;
/** Earlier places that are compared; the most recent ones. */
const MAX_PLACES = 16;

const NONE = -1;

/** An earlier place that ends as the text ends now. */
export interface Match {
  /** Tokens that agree, `SHORTEST_MATCH` to `LONGEST_MATCH`. */
  readonly length: number;
  /** Where what followed it begins. */
  readonly next: number;
}

/**
 * A sequence's prompt and output, in which what comes next is looked up: prompt lookup decoding (Saxena, 2023).
 * Texts repeat themselves and quote their prompts, and then the most recent of the longest matches tells
 * what follows.
 *
 * Pairs of tokens lead to the places where they ended, by hash chains as in LZ77's implementations: a token is
 * added in constant time, and a look-up compares a bounded number of places.
 */
export class DraftIndex {
  readonly #tokens: Int32Array;
  /** By hash of a pair, the last place where such a pair ended. */
  readonly #latest: Int32Array;
  /** By place, the one before it with the same hash. */
  readonly #earlier: Int32Array;
  #length = 0;

  /** `maxLength`: tokens that may be added in all. */
  constructor(maxLength: number) {
    this.#tokens = new Int32Array(maxLength);
    this.#earlier = new Int32Array(maxLength);
    this.#latest = new Int32Array(2 ** Math.ceil(Math.log2(maxLength + 1))).fill(NONE);
  }

  add(token: number): void {
    // The pair at the end is linked only now that something follows it, so no place is found without a sequel.
    if (this.#length >= SHORTEST_MATCH) {
      const end = this.#length - 1;
      const hash = this.#hash(end);
      this.#earlier[end] = this.#latest[hash]!;
      this.#latest[hash] = end;
    }
    this.#tokens[this.#length++] = token;
  }

  find(): Match | null {
    if (this.#length < SHORTEST_MATCH) return null;
    let length = SHORTEST_MATCH - 1;
    let next = NONE;
    let end = this.#latest[this.#hash(this.#length - 1)]!;
    for (let places = 0; places < MAX_PLACES && end !== NONE && length < LONGEST_MATCH; places++) {
      const agreeing = this.#agreeing(end);
      if (agreeing > length) [length, next] = [agreeing, end + 1];
      end = this.#earlier[end]!;
    }
    return next === NONE ? null : { length, next };
  }

  /** `count` tokens that followed a match; one that reaches the end of the text goes round from there. */
  following({ next }: Match, count: number): number[] {
    const period = this.#length - next;
    return Array.from({ length: count }, (_, offset) => this.#tokens[next + (offset % period)]!);
  }

  /** How many tokens up to and with `end` are those at the end of the text. */
  #agreeing(end: number): number {
    const tokens = this.#tokens;
    const last = this.#length - 1;
    let count = 0;
    while (count < LONGEST_MATCH && count <= end && tokens[end - count] === tokens[last - count]) count++;
    return count;
  }

  /** Of the pair that ends at a place. */
  #hash(end: number): number {
    const mixed = Math.imul(this.#tokens[end - 1]!, 0x9e37_79b1) + Math.imul(this.#tokens[end]!, 0x85eb_ca6b);
    return ((mixed ^ (mixed >>> 15)) & (this.#latest.length - 1)) >>> 0;
  }
}
