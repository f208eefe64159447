import { readFileSync } from 'node:fs';
import { tokenizerFromGguf } from '../../../../services/lib/model/gguf/tokenizer.js';
import { loadTokenizer, type Tokenizer } from '../../../../services/lib/model/text/tokenizer.js';

type Metadata = Record<string, unknown>;

export interface TokenizerCase {
  readonly text: string;
  readonly ids: number[];
  /** The ids where control tokens in the text are plain characters. */
  readonly plain?: number[];
  readonly decoded?: string;
}

/** A vocabulary that sentencepiece trained, and what it makes of texts (scripts/fixtures/sentencepiece_ids.py). */
export const sentencePieceFixture = JSON.parse(
  readFileSync(new URL('../../../fixtures/sentencepiece.json', import.meta.url), 'utf8'),
) as { metadata: Metadata; cases: TokenizerCase[] };

/** GPT-2's alphabet of the 256 bytes, in the order of the bytes. */
const ALPHABET = [
  ...range(0x100, 0x120), // control characters and the space, Ġ
  ...range(0x21, 0x7e),
  ...range(0x121, 0x142), // delete, C1 and the no-break space
  ...range(0xa1, 0xac),
  ...range(0x143, 0x143), // the soft hyphen
  ...range(0xae, 0xff),
];

const MERGES = ['Ġ t', 'h e', 'Ġt he', '1 2', '12 3', '123 4', 'ð Ł', 'ðŁ ĺ', 'Ã ©', 'Ġ Ġ', 'Ċ Ċ'];

/** A byte-level vocabulary small enough to reason about: bytes, a few merges, two control tokens. */
export function byteLevelMetadata(more: Metadata = {}): Metadata {
  const learnt = MERGES.map((merge) => merge.replace(' ', ''));
  const tokens = ['<|start|>', '<|im_end|>', ...ALPHABET, ...learnt, '<user-defined>'];
  return {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': [3, 3, ...ALPHABET.map(() => 1), ...learnt.map(() => 1), 4],
    'tokenizer.ggml.merges': MERGES,
    'tokenizer.ggml.bos_token_id': 0,
    'tokenizer.ggml.eos_token_id': 0,
    ...more,
  };
}

export const tokenizers: readonly (readonly [kind: string, tokenizer: Tokenizer])[] = [
  ['byte-level', loadTokenizer(tokenizerFromGguf(byteLevelMetadata()))],
  ['SentencePiece', loadTokenizer(tokenizerFromGguf(sentencePieceFixture.metadata))],
];

function range(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => String.fromCharCode(first + index));
}
