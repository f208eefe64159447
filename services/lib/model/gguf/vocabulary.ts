import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import { parseFields } from '../checkpoint/metadata.js';

/** `tokenizer.ggml.token_type`. */
export const TokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** What may be left out, which some writers also say by an empty text. */
const optionalText = z.preprocess((value) => (value === '' ? undefined : value), z.string().optional());

const vocabularySchema = z.object({
  'tokenizer.ggml.model': z.string(),
  'tokenizer.ggml.pre': optionalText.default('default'),
  'tokenizer.ggml.tokens': z.array(z.string()).min(1),
  'tokenizer.ggml.token_type': z.array(z.number()).optional(),
  'tokenizer.ggml.scores': z.array(z.number()).optional(),
  'tokenizer.ggml.merges': z.array(z.string()).optional(),
  // Whether these are ids is seen where they are used (`tokenIds`).
  'tokenizer.ggml.bos_token_id': z.unknown().optional(),
  'tokenizer.ggml.eos_token_id': z.unknown().optional(),
  'tokenizer.ggml.eot_token_id': z.unknown().optional(),
  'tokenizer.ggml.eom_token_id': z.unknown().optional(),
  'tokenizer.ggml.unknown_token_id': z.unknown().optional(),
  'tokenizer.ggml.padding_token_id': z.unknown().optional(),
  'tokenizer.ggml.add_bos_token': z.boolean().optional(),
  'tokenizer.ggml.add_eos_token': z.boolean().default(false),
  'tokenizer.ggml.add_space_prefix': z.boolean().default(true),
  'tokenizer.chat_template': optionalText,
});
export type GgufVocabulary = z.infer<typeof vocabularySchema>;

/** Reads a GGUF's vocabulary out of its metadata. Throws `checkpoint_invalid` for what is missing or contradicts itself. */
export function parseGgufVocabulary(metadata: Record<string, unknown>): GgufVocabulary {
  const vocabulary = parseFields(vocabularySchema, metadata, 'the GGUF metadata');
  const tokens = vocabulary['tokenizer.ggml.tokens'];
  for (const key of ['tokenizer.ggml.token_type', 'tokenizer.ggml.scores'] as const) {
    const length = vocabulary[key]?.length ?? tokens.length;
    if (length < tokens.length) {
      throw new ServingError(
        'checkpoint_invalid',
        `${key} has ${length} entries for ${tokens.length} tokens`,
      );
    }
  }
  // Nameless tokens still need distinct names; no text can produce these.
  const named = tokens.map((token, id) => (token === '' ? `[EMPTY_${id}]` : token));
  const lastIds = new Map(named.map((token, id) => [token, id]));
  const repeated = named.find((token, id) => lastIds.get(token) !== id);
  if (repeated !== undefined) {
    throw new ServingError(
      'checkpoint_invalid',
      `tokenizer.ggml.tokens has ${JSON.stringify(repeated)} twice`,
    );
  }
  return { ...vocabulary, 'tokenizer.ggml.tokens': named };
}
