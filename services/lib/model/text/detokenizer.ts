import type { Tokenizer } from './tokenizer.js';

/**
 * Turns tokens into text piece by piece. The pieces joined are the decoding of all tokens: a character whose
 * bytes are spread over several tokens comes out with the last of them, bytes that can not become a character
 * come out as U+FFFD. At most three bytes are held back, so a token costs the same however long the text is.
 */
export class StreamingDetokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #skipSpecialTokens: boolean;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #atStart = true;

  /** `prompt`: the tokens before the first pushed one; a character begun there ends in the first piece. */
  constructor(
    tokenizer: Tokenizer,
    prompt: readonly number[] = [],
    options: { readonly skipSpecialTokens: boolean } = { skipSpecialTokens: true },
  ) {
    this.#tokenizer = tokenizer;
    this.#skipSpecialTokens = options.skipSpecialTokens;
    for (const id of prompt) this.push(id);
  }

  /** The text that became certain with this token, often empty. */
  push(id: number): string {
    if (this.#skipSpecialTokens && this.#tokenizer.isSpecial(id)) return '';
    return this.#fromStart(this.#decoder.decode(this.#tokenizer.bytesOf(id), { stream: true }));
  }

  /** The rest, once no token follows: U+FFFD for a character that was never finished. */
  flush(): string {
    return this.#fromStart(this.#decoder.decode());
  }

  /** Drops the space that the encoder put before the whole text. */
  #fromStart(text: string): string {
    if (!this.#atStart || text === '') return text;
    this.#atStart = false;
    return this.#tokenizer.stripsLeadingSpace && text.startsWith(' ') ? text.slice(1) : text;
  }
}
