import type { Tokenizer } from './tokenizer.js';

/** Of a character that is not finished. */
const MOST_BYTES = 3;
const NO_BYTES = new Uint8Array();

interface DetokenizerOptions {
  /** The tokens before the first pushed one; a character that begins there ends in the first piece. */
  readonly prompt?: readonly number[];
  /** Which control tokens a reader sees. */
  readonly shows?: (id: number) => boolean;
}

/**
 * Turns tokens into text piece by piece. The pieces joined are the decoding of all tokens but the control tokens that
 * are not to be shown: a character whose bytes are spread over several tokens comes out with the last of them, bytes that cannot become a
 * character come out as U+FFFD. At most three bytes are held back, so a token costs the same however long the text is.
 */
export class StreamingDetokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #shows: (id: number) => boolean;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #atStart = true;

  constructor(tokenizer: Tokenizer, { prompt = [], shows = () => false }: DetokenizerOptions = {}) {
    this.#tokenizer = tokenizer;
    this.#shows = shows;
    // A decoder is as it would be after the whole prompt once it has seen more than it can hold back.
    let first = prompt.length;
    for (let bytes = 0; first > 0 && bytes <= MOST_BYTES;) {
      first -= 1;
      bytes += this.#bytesOf(prompt[first]!).length;
    }
    for (const id of prompt.slice(first)) this.push(id);
  }

  /** The text that became certain with this token, often empty. */
  push(id: number): string {
    return this.#fromStart(this.#decoder.decode(this.#bytesOf(id), { stream: true }));
  }

  /** The rest, once no token follows: U+FFFD for a character that was never finished. */
  flush(): string {
    return this.#fromStart(this.#decoder.decode());
  }

  /** Of what a reader sees. */
  #bytesOf(id: number): Uint8Array {
    return this.#tokenizer.isSpecial(id) && !this.#shows(id) ? NO_BYTES : this.#tokenizer.bytesOf(id);
  }

  /** Drops the space that the encoder put before the whole text. */
  #fromStart(text: string): string {
    if (!this.#atStart || text === '') return text;
    this.#atStart = false;
    return this.#tokenizer.stripsLeadingSpace && text.startsWith(' ') ? text.slice(1) : text;
  }
}
