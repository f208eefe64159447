import { join } from 'node:path';
import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import { parseFields } from '../parse-fields.js';
import { readJson, readText } from '../read-json.js';
import type { TextFiles } from '../types.js';

const tokenId = z.number().int().nonnegative();
const specialTokensSchema = z.object({
  bos_token_id: tokenId.nullish(),
  eos_token_id: z.union([tokenId, z.array(tokenId).max(64)]).nullish(),
});
const tokenizerConfigSchema = z.record(z.string(), z.unknown());

/** The files that `readTextFiles` reads, beside config.json. */
export const TEXT_FILES = [
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
] as const;

/**
 * A Hugging Face folder's tokenizer, chat template and special tokens. generation_config.json wins over
 * config.json: it lists every token that ends a turn. Throws `unsupported_tokenizer` without tokenizer.json.
 */
export async function readTextFiles(
  folder: string,
  config: unknown,
  signal?: AbortSignal,
): Promise<TextFiles> {
  const [generation, tokenizer, tokenizerConfig, template] = await Promise.all([
    readJson(join(folder, 'generation_config.json'), signal),
    readJson(join(folder, 'tokenizer.json'), signal),
    readJson(join(folder, 'tokenizer_config.json'), signal),
    readText(join(folder, 'chat_template.jinja'), signal),
  ]);
  if (tokenizer === undefined) {
    throw new ServingError('unsupported_tokenizer', 'the folder has no tokenizer.json', {
      hint: 'save one with AutoTokenizer.from_pretrained(…).save_pretrained(…)',
    });
  }
  const model = parseFields(specialTokensSchema, config, 'config.json');
  const special = parseFields(specialTokensSchema, generation ?? {}, 'generation_config.json');
  const fields = parseFields(tokenizerConfigSchema, tokenizerConfig ?? {}, 'tokenizer_config.json');
  return {
    tokenizer,
    tokenizerConfig: template === undefined ? fields : { ...fields, chat_template: template },
    bosId: special.bos_token_id ?? model.bos_token_id ?? null,
    eosIds: [special.eos_token_id ?? model.eos_token_id ?? []].flat(),
  };
}
