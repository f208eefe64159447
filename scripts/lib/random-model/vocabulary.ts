import { TokenType } from '../../../services/lib/model/gguf/vocabulary.js';
import { BYTE_OF_CHARACTER } from '../../../services/lib/model/text/tokenizer-json/byte-level.js';
import type { GgufValue } from '../gguf/gguf-header.js';

const SPECIAL = ['<s>', '</s>'];
/** A blank, as the byte alphabet spells it, and the small letters. */
const LETTERS = Array.from('Ġabcdefghijklmnopqrstuvwxyz');

/** Control tokens and a token for every byte, so that any text can be spelled. */
export const SMALLEST_VOCABULARY = SPECIAL.length + BYTE_OF_CHARACTER.size;

/**
 * A byte-level BPE vocabulary of any size as GGUF metadata: after the control tokens and the bytes come all strings
 * of two letters, then of three and so on, each merged from one before and a letter. All of it but the bytes is
 * readable, and a text takes about as many tokens as with a trained vocabulary.
 */
export function vocabularyMetadata(size: number): Record<string, GgufValue> {
  const words = [...LETTERS];
  const merges: string[] = [];
  for (let at = 0; SMALLEST_VOCABULARY + merges.length < size; at++) {
    for (const letter of LETTERS.slice(0, size - SMALLEST_VOCABULARY - merges.length)) {
      words.push(words[at]! + letter);
      merges.push(`${words[at]!} ${letter}`);
    }
  }
  const tokens = [...SPECIAL, ...BYTE_OF_CHARACTER.keys(), ...words.slice(LETTERS.length)];
  return {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': Int32Array.from(tokens, (_, id) =>
      id < SPECIAL.length ? TokenType.control : TokenType.normal,
    ),
    'tokenizer.ggml.merges': merges,
    'tokenizer.ggml.bos_token_id': 0,
    'tokenizer.ggml.eos_token_id': 1,
    'tokenizer.ggml.add_bos_token': false,
  };
}
