import { Tokenizer as Library } from '@huggingface/tokenizers';
import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import type { TextFiles } from '../types.js';
import { tokenBytes, type TokenBytes } from './token-bytes.js';

export interface EncodeOptions {
  /** Put BOS (and EOS) around the text, as the model was trained. Off for a rendered chat template. */
  readonly addSpecialTokens: boolean;
  /** Whether `<|im_end|>` in the text is the token (the default, as in vLLM) or ten characters. */
  readonly parseSpecial?: boolean;
}

export interface DecodeOptions {
  readonly skipSpecialTokens: boolean;
}

export interface Tokenizer {
  /** One more than the highest token id. */
  readonly vocabularySize: number;
  readonly bosId: number | null;
  readonly eosIds: readonly number[];
  /** Decoding drops the first space of a text: the encoder put it there. */
  readonly stripsLeadingSpace: boolean;
  encode(text: string, options: EncodeOptions): number[];
  /** The text of the tokens; bytes that are not UTF-8 become U+FFFD. */
  decode(ids: readonly number[], options: DecodeOptions): string;
  idOf(token: string): number | undefined;
  /** The token as the vocabulary spells it, such as `Ġthe`. */
  tokenOf(id: number): string | undefined;
  /** The token's UTF-8 bytes: perhaps part of a character; none for an id outside the vocabulary. */
  bytesOf(id: number): Uint8Array;
  /** A control token, which is no part of what a reader sees. */
  isSpecial(id: number): boolean;
}

const tokenizerSchema = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.number(), content: z.string(), special: z.boolean() })),
  model: z.looseObject({ type: z.literal('BPE') }),
  normalizer: z.unknown(),
  pre_tokenizer: z.unknown(),
  post_processor: z.unknown(),
  decoder: z.unknown(),
});
type TokenizerFile = z.infer<typeof tokenizerSchema>;

/** Loads a model's tokenizer. Throws `unsupported_tokenizer` for kinds other than BPE. */
export function loadTokenizer(text: TextFiles): Tokenizer {
  const parsed = tokenizerSchema.safeParse(text.tokenizer);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new ServingError(
      'unsupported_tokenizer',
      `tokenizer.json ${issue.path.join('.')}: ${issue.message}`,
    );
  }
  return new BpeTokenizer(parsed.data, text);
}

class BpeTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly bosId: number | null;
  readonly eosIds: readonly number[];
  readonly #library: Library;
  readonly #plain: Library;
  readonly #added: ReadonlyMap<number, { content: string; special: boolean }>;
  readonly #tokenBytes: TokenBytes;

  constructor(file: TokenizerFile, text: TextFiles) {
    this.#library = open(file, text.tokenizerConfig);
    this.#plain = withoutSpecialTokens(this.#library, file, text.tokenizerConfig);
    this.#added = new Map(file.added_tokens.map((token) => [token.id, token]));
    this.#tokenBytes = tokenBytes(file.decoder);
    this.vocabularySize = [...this.#library.get_vocab().values()].reduce((a, b) => Math.max(a, b), -1) + 1;
    this.bosId = text.bosId;
    this.eosIds = text.eosIds;
  }

  get stripsLeadingSpace(): boolean {
    return this.#tokenBytes.stripsLeadingSpace;
  }

  encode(text: string, options: EncodeOptions): number[] {
    const library = (options.parseSpecial ?? true) ? this.#library : this.#plain;
    return library.encode(text, { add_special_tokens: options.addSpecialTokens }).ids;
  }

  decode(ids: readonly number[], options: DecodeOptions): string {
    const shown = options.skipSpecialTokens ? ids.filter((id) => !this.isSpecial(id)) : ids;
    const bytes = Buffer.concat(shown.map((id) => this.bytesOf(id)));
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
    return this.stripsLeadingSpace && text.startsWith(' ') ? text.slice(1) : text;
  }

  idOf(token: string): number | undefined {
    return this.#library.token_to_id(token);
  }

  tokenOf(id: number): string | undefined {
    return this.#library.id_to_token(id);
  }

  bytesOf(id: number): Uint8Array {
    const added = this.#added.get(id);
    if (added !== undefined) return Buffer.from(added.content);
    const token = this.tokenOf(id);
    return token === undefined ? new Uint8Array() : this.#tokenBytes.bytes(token);
  }

  isSpecial(id: number): boolean {
    return this.#added.get(id)?.special ?? false;
  }
}

function open(file: object, config: Record<string, unknown>): Library {
  try {
    return new Library(file, config);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ServingError('unsupported_tokenizer', `the tokenizer cannot be loaded: ${reason}`, { cause });
  }
}

/** The same tokenizer, deaf to control tokens in a text. The vocabulary and its merges are shared. */
function withoutSpecialTokens(
  library: Library,
  file: TokenizerFile,
  config: Record<string, unknown>,
): Library {
  const plain = open(
    {
      ...file,
      added_tokens: file.added_tokens.filter(({ special }) => !special),
      model: { type: 'BPE', vocab: {}, merges: [] },
    },
    config,
  );
  plain.model = library.model;
  return plain;
}
