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
 * A text in which what comes next is looked up: prompt lookup decoding (Saxena, 2023). Texts repeat themselves and quote
 * their prompts, and then the most recent of the longest matches tells what follows.
 *
 * Pairs of tokens lead to the places where they ended, by hash chains as in LZ77's implementations: a token is
 * added in constant time, and a look-up compares a bounded number of places. Places count all tokens that were ever added.
 */
export class DraftIndex {
  readonly #tokens: Int32Array;
  /** By hash of a pair, the last place where such a pair ended. */
  readonly #latest: Int32Array;
  /** By place, the one before it with the same hash. */
  readonly #earlier: Int32Array;
  #length = 0;

  /** `capacity`: tokens that are kept; of a longer text the beginning is forgotten. */
  constructor(capacity: number) {
    this.#tokens = new Int32Array(capacity);
    this.#earlier = new Int32Array(capacity);
    this.#latest = new Int32Array(2 ** Math.ceil(Math.log2(capacity + 1))).fill(NONE);
  }

  /** Tokens that are kept, at most. */
  get capacity(): number {
    return this.#tokens.length;
  }

  /** Tokens that were ever added. */
  get length(): number {
    return this.#length;
  }

  add(token: number): void {
    // The pair at the end is linked only now that something follows it, so no place is found without a sequel.
    if (this.#length >= SHORTEST_MATCH) {
      const end = this.#length - 1;
      const hash = this.#hash(this.#at(end - 1), this.#at(end));
      this.#earlier[end % this.#earlier.length] = this.#latest[hash]!;
      this.#latest[hash] = end;
    }
    this.#tokens[this.#length++ % this.#tokens.length] = token;
  }

  /** A place that ends as another text ends; left out, as this one does. */
  find(text: DraftIndex = this): Match | null {
    const last = text.#length - 1;
    if (last < SHORTEST_MATCH - 1) return null;
    let length = SHORTEST_MATCH - 1;
    let next = NONE;
    let end = this.#latest[this.#hash(text.#at(last - 1), text.#at(last))]!;
    for (let places = 0; places < MAX_PLACES && end >= this.#oldest && length < LONGEST_MATCH; places++) {
      const agreeing = this.#agreeing(end, text);
      if (agreeing > length) [length, next] = [agreeing, end + 1];
      end = this.#earlier[end % this.#earlier.length]!;
    }
    return next === NONE ? null : { length, next };
  }

  /** `count` tokens that followed a match; one that reaches the end of the text goes round from there. */
  following({ next }: Match, count: number): number[] {
    const period = this.#length - next;
    return Array.from({ length: count }, (_, offset) => this.#at(next + (offset % period)));
  }

  /** What it has from a place on, as far as it is kept. */
  from(place: number): number[] {
    const first = Math.max(place, this.#oldest);
    return Array.from({ length: Math.max(0, this.#length - first) }, (_, offset) => this.#at(first + offset));
  }

  get #oldest(): number {
    return Math.max(0, this.#length - this.#tokens.length);
  }

  #at(place: number): number {
    return this.#tokens[place % this.#tokens.length]!;
  }

  /** How many tokens up to and with `end` are those at the end of the text. */
  #agreeing(end: number, text: DraftIndex): number {
    const most = Math.min(LONGEST_MATCH, end - this.#oldest + 1, text.#length);
    const last = text.#length - 1;
    let count = 0;
    while (count < most && this.#at(end - count) === text.#at(last - count)) count++;
    return count;
  }

  #hash(one: number, other: number): number {
    const mixed = Math.imul(one, 0x9e37_79b1) + Math.imul(other, 0x85eb_ca6b);
    return ((mixed ^ (mixed >>> 15)) & (this.#latest.length - 1)) >>> 0;
  }
}
