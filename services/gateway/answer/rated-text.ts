import type { Tokenizer } from '../../lib/model/text/tokenizer.js';
import { ratedToken, type RatedToken } from '../../lib/openai/logprobs.js';
import type { TokenLogprob } from '../../lib/sampling/step-tokens.js';

/** Characters, as most clients' languages count them. */
const lengthOf = (text: string): number => Array.from(text).length;

/**
 * Which tokens of an answer may be told of: those whose text has begun to be shown. What may yet be cut off with a stop
 * string waits with its text.
 */
export class RatedText {
  readonly #tokenizer: Tokenizer;
  readonly #likeliest: number;
  /** Of all tokens, and of what is shown of it, characters. */
  #length = 0;
  #shown = 0;
  #waiting: RatedToken[] = [];

  /** So many of the likeliest tokens are told beside each. */
  constructor(tokenizer: Tokenizer, likeliest: number) {
    this.#tokenizer = tokenizer;
    this.#likeliest = likeliest;
  }

  /** A token, with the text that became certain with it. */
  add(id: number, text: string, logprob: TokenLogprob | null): void {
    const rating = { offset: this.#length, logprob, likeliest: this.#likeliest };
    this.#waiting.push(ratedToken(this.#tokenizer, id, rating));
    this.#length += lengthOf(text);
  }

  /** More of the text is shown. Returns the tokens that may be told of now. */
  show(text: string): RatedToken[] {
    this.#shown += lengthOf(text);
    const begun = this.#waiting.findIndex(({ offset }) => offset >= this.#shown);
    return begun === -1 ? this.all() : this.#waiting.splice(0, begun);
  }

  /** What still waits, where nothing is cut off. */
  all(): RatedToken[] {
    return this.#waiting.splice(0);
  }
}
