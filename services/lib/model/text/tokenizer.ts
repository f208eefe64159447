import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import type { TextFiles } from '../types.js';
import { AddedTokens, addedTokenSchema, type Borders } from './tokenizer-json/added-tokens.js';
import { BytePairs, bytePairSchema } from './tokenizer-json/byte-pairs.js';
import { tokenBytes, type TokenBytes } from './tokenizer-json/decoder.js';
import { loadNormalizer } from './tokenizer-json/normalizer.js';
import { loadPostProcessor, type PostProcessor } from './tokenizer-json/post-processor.js';
import { loadPreTokenizer, type PreTokenizer } from './tokenizer-json/pre-tokenizer.js';

export interface EncodeOptions {
  /** Put BOS (and EOS) around the text, as the model was trained. Off for a rendered chat template. */
  readonly addSpecialTokens: boolean;
  /** None where they are left out: as in vLLM, `<|im_end|>` in a text is the token, not ten characters. */
  readonly borders?: Borders;
}

export interface Tokenizer {
  /** One more than the highest token id. */
  readonly vocabularySize: number;
  /** Decoding drops the first space of a text: the encoder put it there. */
  readonly stripsLeadingSpace: boolean;
  /** How the special tokens are written. */
  readonly specialTokens: readonly string[];
  /** Throws `invalid_value` where a token of the text is none that the model has a row for. */
  encode(text: string, options: EncodeOptions): number[];
  /** The text of the tokens; bytes that are not UTF-8 become U+FFFD. */
  decode(ids: readonly number[]): string;
  idOf(token: string): number | undefined;
  /** The token as the vocabulary spells it, such as `Ġthe`. */
  tokenOf(id: number): string | undefined;
  /** The token's UTF-8 bytes: perhaps part of a character; none for an id outside the vocabulary. */
  bytesOf(id: number): Uint8Array;
  /** A control token, which is no part of what a reader sees. */
  isSpecial(id: number): boolean;
}

const tokenizerSchema = z.looseObject({
  added_tokens: z.array(addedTokenSchema).nullish(),
  model: bytePairSchema,
  normalizer: z.unknown().optional(),
  pre_tokenizer: z.unknown().optional(),
  post_processor: z.unknown().optional(),
  decoder: z.unknown().optional(),
});
type TokenizerFile = z.infer<typeof tokenizerSchema>;

/**
 * Loads a model's tokenizer, as Rust's tokenizers do: what a tokenizer.json leaves out has their defaults.
 * `rows`, those of the model's embedding, bound the token ids that a text may have.
 * Throws `unsupported_tokenizer` for kinds other than BPE, and for what is not known.
 */
export function loadTokenizer(text: TextFiles, rows = Infinity): Tokenizer {
  const parsed = tokenizerSchema.safeParse(text.tokenizer);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new ServingError(
      'unsupported_tokenizer',
      `tokenizer.json ${issue.path.join('.')}: ${issue.message}`,
    );
  }
  return new BpeTokenizer(parsed.data, rows);
}

class BpeTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly specialTokens: readonly string[];
  readonly #rows: number;
  readonly #added: AddedTokens;
  readonly #preTokenize: PreTokenizer;
  readonly #model: BytePairs;
  readonly #postProcess: PostProcessor;
  readonly #tokenBytes: TokenBytes;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #tokens: readonly (string | undefined)[];
  /** By id: whether the added token is special. */
  readonly #special: ReadonlyMap<number, boolean>;

  constructor(file: TokenizerFile, rows: number) {
    this.#rows = rows;
    this.#model = new BytePairs(file.model);
    this.#added = new AddedTokens(file.added_tokens ?? [], this.#model.ids, loadNormalizer(file.normalizer));
    this.#preTokenize = loadPreTokenizer(file.pre_tokenizer);
    this.#postProcess = loadPostProcessor(file.post_processor);
    this.#tokenBytes = tokenBytes(file.decoder);
    const added = this.#added.tokens;
    this.#ids = new Map([...this.#model.ids, ...added.map(({ content, id }) => [content, id] as const)]);
    const tokens: string[] = [];
    for (const [token, id] of this.#ids) tokens[id] = token;
    this.#tokens = tokens;
    this.#special = new Map(added.map(({ id, special }) => [id, special]));
    this.specialTokens = added.flatMap(({ content, special }) => (special ? [content] : []));
    this.vocabularySize = tokens.length;
  }

  get stripsLeadingSpace(): boolean {
    return this.#tokenBytes.stripsLeadingSpace;
  }

  encode(text: string, { addSpecialTokens, borders = [] }: EncodeOptions): number[] {
    // Halves of a character are no text.
    const whole = text.replaceAll(/\p{Surrogate}/gu, '\ufffd');
    const ids = this.#added.sections(whole, borders).flatMap((section) => {
      if ('id' in section) return [section.id];
      const pieces = this.#preTokenize({ text: section.text, first: section.start === 0 });
      return pieces.flatMap((piece) => this.#model.encode(piece.text));
    });
    return this.#checked(addSpecialTokens ? this.#postProcess(ids) : ids);
  }

  decode(ids: readonly number[]): string {
    const bytes = Buffer.concat(ids.map((id) => this.bytesOf(id)));
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
    return this.stripsLeadingSpace && text.startsWith(' ') ? text.slice(1) : text;
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  tokenOf(id: number): string | undefined {
    return this.#tokens[id];
  }

  bytesOf(id: number): Uint8Array {
    const token = this.tokenOf(id);
    if (token === undefined) return new Uint8Array();
    return this.#special.has(id) ? Buffer.from(token) : this.#tokenBytes.bytes(token);
  }

  isSpecial(id: number): boolean {
    return this.#special.get(id) ?? false;
  }

  #checked(ids: number[]): number[] {
    const outside = ids.find((id) => id >= this.#rows);
    if (outside === undefined) return ids;
    const token = JSON.stringify(this.tokenOf(outside) ?? '');
    throw new ServingError(
      'invalid_value',
      `the text has the token ${token} with the id ${outside}, and the model's embedding ${this.#rows} rows`,
    );
  }
}
