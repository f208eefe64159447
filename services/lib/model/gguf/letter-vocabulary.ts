import { BYTE_OF_CHARACTER } from '../text/tokenizer-json/byte-level.js';
import type { CheckpointText } from '../types.js';
import { tokenizerFromGguf } from './tokenizer.js';
import { TokenType } from './vocabulary.js';

const SPECIAL = ['<s>', '</s>'];
const LETTER_BOS = 0;
export const LETTER_EOS = 1;
/** A blank, as the byte alphabet spells it, and the small letters. */
const LETTERS = Array.from('Ġabcdefghijklmnopqrstuvwxyz');

/** Control tokens and a token for every byte, so that any text can be spelled. */
export const SMALLEST_VOCABULARY = SPECIAL.length + BYTE_OF_CHARACTER.size;

/**
 * A byte-level BPE vocabulary of any size as GGUF metadata: after the control tokens and the bytes come all strings
 * of two letters, then of three and so on, each merged from one before and a letter. All of it but the bytes is
 * readable, and a text takes about as many tokens as with a trained vocabulary.
 */
export function vocabularyMetadata(size: number) {
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
    'tokenizer.ggml.bos_token_id': LETTER_BOS,
    'tokenizer.ggml.eos_token_id': LETTER_EOS,
    'tokenizer.ggml.add_bos_token': false,
  };
}

/** Of a vocabulary, the ids of all words of two letters with a blank before them: `[first, end)`. */
export const SHORT_WORDS = {
  // After those of one letter come the strings of two, and of three those that begin with two blanks.
  first: SMALLEST_VOCABULARY + LETTERS.length ** 2 + LETTERS.length,
  end: SMALLEST_VOCABULARY + 2 * LETTERS.length ** 2,
} as const;

const CHAT_TEMPLATE =
  "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}" +
  '{% if add_generation_prompt %}assistant:{% endif %}';

/** Of a model that nobody has trained: this vocabulary, and a chat template that a reader understands. */
export function letterText(size: number): CheckpointText {
  const metadata = vocabularyMetadata(size);
  return tokenizerFromGguf({
    ...metadata,
    'tokenizer.ggml.token_type': [...metadata['tokenizer.ggml.token_type']],
    'tokenizer.chat_template': CHAT_TEMPLATE,
  });
}
