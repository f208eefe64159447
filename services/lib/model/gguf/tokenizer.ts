import { ServingError } from '../../errors/serving-error.js';
import type { Warn } from '../checkpoint/opened-model.js';
import { END_TEXTS, endTokens } from '../text/end-tokens.js';
import { fitVocabulary, tokenIds } from '../text/fit-vocabulary.js';
import type { CheckpointText } from '../types.js';
import { preTokenizers } from './pre-tokenizers.js';
import { type GgufVocabulary, parseGgufVocabulary, TokenType } from './vocabulary.js';

type Role = 'bos' | 'eos' | 'eot' | 'eom' | 'unknown' | 'padding';

/** The parts of a tokenizer.json that depend on the kind of vocabulary. */
interface Kind {
  readonly normalizer: unknown;
  readonly preTokenizer: unknown;
  readonly model: Record<string, unknown>;
  readonly decoder: unknown;
  readonly addBos: boolean;
  /** Where the file names none. */
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
}

/**
 * A GGUF's own vocabulary (`tokenizer.ggml.*`) in the format of Hugging Face's tokenizer.json and
 * tokenizer_config.json, so that one tokenizer serves both kinds of checkpoint.
 * Throws `unsupported_tokenizer` for kinds other than byte-level BPE and SentencePiece BPE.
 */
export function tokenizerFromGguf(
  metadata: Record<string, unknown>,
  rows = Infinity,
  warn: Warn = () => undefined,
): CheckpointText {
  const vocabulary = parseGgufVocabulary(metadata);
  const tokens = vocabulary['tokenizer.ggml.tokens'];
  const idOf = (role: Role): number | undefined => {
    const key = `tokenizer.ggml.${role}_token_id` as const;
    return tokenIds(key, vocabulary[key], { rows: Math.min(rows, tokens.length), warn })[0];
  };
  const tokenOf = (id: number | undefined): string | undefined => (id === undefined ? undefined : tokens[id]);

  const unknown = tokenOf(idOf('unknown'));
  const kind = describe(vocabulary, unknown);
  const bosId = idOf('bos') ?? kind.bosId;
  const eosId = idOf('eos') ?? kind.eosId;
  const bosToken = tokenOf(bosId);
  const eosToken = tokenOf(eosId);
  const prefix = kind.addBos && bosToken !== undefined ? [bosToken] : [];
  const suffix = vocabulary['tokenizer.ggml.add_eos_token'] && eosToken !== undefined ? [eosToken] : [];
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(vocabulary),
    normalizer: kind.normalizer,
    pre_tokenizer: kind.preTokenizer,
    post_processor: template(prefix, suffix, tokens),
    decoder: kind.decoder,
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      ...kind.model,
    },
  };
  const text = {
    tokenizer: fitVocabulary(tokenizer, { rows, warn }),
    tokenizerConfig: {
      add_bos_token: prefix.length > 0,
      add_eos_token: suffix.length > 0,
      bos_token: bosToken,
      eos_token: eosToken,
      unk_token: unknown,
      pad_token: tokenOf(idOf('padding')),
      chat_template: vocabulary['tokenizer.chat_template'],
      clean_up_tokenization_spaces: false,
    },
  };
  const named = [eosId, idOf('eot'), idOf('eom')].filter((id) => id !== undefined);
  return { ...text, bosId: bosId ?? null, eosIds: endTokens({ ...text, named }) };
}

function describe(vocabulary: GgufVocabulary, unknown: string | undefined): Kind {
  const model = vocabulary['tokenizer.ggml.model'];
  if (model === 'gpt2') return byteLevel(vocabulary);
  if (model === 'llama') return sentencePiece(vocabulary, unknown);
  throw new ServingError('unsupported_tokenizer', `the file's tokenizer is of the kind "${model}"`);
}

function byteLevel(vocabulary: GgufVocabulary): Kind {
  const name = vocabulary['tokenizer.ggml.pre'];
  const pre = preTokenizers.get(name);
  if (pre === undefined) {
    throw new ServingError('unsupported_tokenizer', `the pre-tokenizer "${name}" is not known`);
  }
  const merges = vocabulary['tokenizer.ggml.merges'];
  if (merges === undefined) {
    throw new ServingError(
      'checkpoint_invalid',
      'the byte-level BPE vocabulary has no tokenizer.ggml.merges',
    );
  }
  const splits = pre.patterns.map((pattern) => ({
    type: 'Split',
    pattern: { Regex: pattern },
    behavior: 'Isolated',
    invert: false,
  }));
  const byteEncoder = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  return {
    normalizer: null,
    preTokenizer: { type: 'Sequence', pretokenizers: [...splits, byteEncoder] },
    // Bytes that a trained-down vocabulary lacks are dropped, as llama.cpp does: hence no unknown token.
    model: { unk_token: null, byte_fallback: false, ignore_merges: pre.ignoreMerges, merges },
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    addBos: vocabulary['tokenizer.ggml.add_bos_token'] ?? pre.addBos,
    bosId: undefined,
    eosId: undefined,
  };
}

function sentencePiece(vocabulary: GgufVocabulary, unknown: string | undefined): Kind {
  const tokens = vocabulary['tokenizer.ggml.tokens'];
  const types = vocabulary['tokenizer.ggml.token_type'];
  const scores = vocabulary['tokenizer.ggml.scores'];
  if (scores === undefined) {
    throw new ServingError('checkpoint_invalid', 'the SentencePiece vocabulary has no tokenizer.ggml.scores');
  }
  const pieces = tokens
    .map((text, id) => ({ text, score: scores[id]!, type: types?.[id] ?? TokenType.normal }))
    .filter(({ type }) => type === TokenType.normal);
  const prefixed = vocabulary['tokenizer.ggml.add_space_prefix'];
  const escape = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  const unescape = { type: 'Replace', pattern: { String: '▁' }, content: ' ' };
  return {
    normalizer: {
      type: 'Sequence',
      normalizers: prefixed ? [{ type: 'Prepend', prepend: '▁' }, escape] : [escape],
    },
    preTokenizer: null,
    model: {
      unk_token: unknown ?? tokens[0],
      fuse_unk: true,
      byte_fallback: types?.includes(TokenType.byte) ?? false,
      ignore_merges: false,
      merges: sentencePieceMerges(pieces),
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        unescape,
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(prefixed ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    addBos: vocabulary['tokenizer.ggml.add_bos_token'] ?? true,
    bosId: tokens.length > 1 ? 1 : undefined,
    eosId: tokens.length > 2 ? 2 : undefined,
  };
}

interface Piece {
  readonly text: string;
  readonly score: number;
}

/**
 * The merge list of a SentencePiece BPE vocabulary, which keeps scores instead: every way to put a piece
 * together from two others, best-scored piece first. (SentencePiece merges the adjacent pair whose union
 * scores highest; a merge list says the same by its order.)
 */
function sentencePieceMerges(pieces: readonly Piece[]): [string, string][] {
  const order = new Map(pieces.map(({ text }, index) => [text, index]));
  const byScore = pieces.toSorted((a, b) => b.score - a.score);
  return byScore.flatMap(({ text }) => splits(text, order));
}

/** The splits of a piece into two known pieces, those with the earlier-learnt parts first. */
function splits(text: string, order: ReadonlyMap<string, number>): [string, string][] {
  const found: { left: number; right: number; pair: [string, string] }[] = [];
  let at = 0;
  for (const character of text) {
    at += character.length;
    const pair: [string, string] = [text.slice(0, at), text.slice(at)];
    const left = order.get(pair[0]);
    const right = order.get(pair[1]);
    if (left !== undefined && right !== undefined) found.push({ left, right, pair });
  }
  return found.sort((a, b) => a.left - b.left || a.right - b.right).map(({ pair }) => pair);
}

/** Tokens matched in the text before anything else: control tokens, and those that a user defined. */
function addedTokens(vocabulary: GgufVocabulary): unknown[] {
  const types = vocabulary['tokenizer.ggml.token_type'];
  return vocabulary['tokenizer.ggml.tokens'].flatMap((content, id) => {
    const type = types?.[id];
    const special = type === TokenType.control || type === TokenType.unknown || END_TEXTS.has(content);
    if (!special && type !== TokenType.userDefined) return [];
    return [{ id, content, special, normalized: false, single_word: false, lstrip: false, rstrip: false }];
  });
}

/** The post-processor that puts BOS and EOS around a text. */
function template(prefix: readonly string[], suffix: readonly string[], tokens: readonly string[]): unknown {
  const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const sequence = (id: string) => ({ Sequence: { id, type_id: 0 } });
  const around = (id: string) => [...prefix.map(special), sequence(id), ...suffix.map(special)];
  const used = [...prefix, ...suffix].map((id) => [id, { id, ids: [tokens.indexOf(id)], tokens: [id] }]);
  return {
    type: 'TemplateProcessing',
    single: around('A'),
    pair: [...around('A'), ...around('B')],
    special_tokens: Object.fromEntries(used) as unknown,
  };
}
