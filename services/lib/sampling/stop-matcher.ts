interface StopResult {
  /** What may be shown now: no part of a stop string, and nothing that may yet become one. */
  readonly text: string;
  readonly stopped: boolean;
  /** The stop string that ended it, where one did. */
  readonly stopString?: string;
}

/**
 * Finds stop strings in a text that comes in pieces; the outcome does not depend on where the pieces end. The
 * first stop string to be complete ends the text (of several that end together, the one that began first).
 * What may be the beginning of one is held back until it is certain.
 */
export class StopMatcher {
  readonly #patterns: readonly Pattern[];
  readonly #include: boolean;
  #held = '';

  /** `include`: the stop string that ended the text is part of it. No stop string may be empty. */
  constructor(stops: readonly string[], include = false) {
    this.#patterns = stops.map((stop) => new Pattern(stop));
    this.#include = include;
  }

  push(piece: string): StopResult {
    const text = this.#held + piece;
    for (let index = this.#held.length; index < text.length; index += 1) {
      const matched = this.#advance(text.charCodeAt(index));
      if (matched === 0) continue;
      const end = index + 1;
      this.#held = '';
      const stopString = text.slice(end - matched, end);
      return { text: text.slice(0, this.#include ? end : end - matched), stopped: true, stopString };
    }
    const certain = text.length - this.#patterns.reduce((most, { matched }) => Math.max(most, matched), 0);
    this.#held = text.slice(certain);
    return { text: text.slice(0, certain), stopped: false };
  }

  /** What was held back, once nothing follows. */
  flush(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  /** The length of the longest stop string that this character completes, or 0. */
  #advance(character: number): number {
    let longest = 0;
    for (const pattern of this.#patterns) {
      if (pattern.advance(character)) longest = Math.max(longest, pattern.length);
    }
    return longest;
  }
}

/** One stop string as a Knuth-Morris-Pratt automaton over UTF-16 code units. */
class Pattern {
  /** How many of its characters the text ends with; the longest such prefix. */
  matched = 0;
  readonly #text: string;
  /** By length of a prefix, the length of its longest proper prefix that is also its suffix. */
  readonly #borders: Int32Array;

  constructor(text: string) {
    this.#text = text;
    this.#borders = new Int32Array(text.length + 1);
    for (let end = 1; end < text.length; end += 1) {
      this.#borders[end + 1] = this.#extend(this.#borders[end]!, text.charCodeAt(end));
    }
  }

  get length(): number {
    return this.#text.length;
  }

  /** Whether the text now ends with the whole pattern; the automaton's life ends there. */
  advance(character: number): boolean {
    this.matched = this.#extend(this.matched, character);
    return this.matched === this.#text.length;
  }

  #extend(length: number, character: number): number {
    let border = length;
    while (border > 0 && this.#text.charCodeAt(border) !== character) border = this.#borders[border]!;
    return this.#text.charCodeAt(border) === character ? border + 1 : 0;
  }
}
