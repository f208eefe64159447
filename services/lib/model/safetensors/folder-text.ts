import { join } from 'node:path';
import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import { parseFields, readJson, readText } from '../checkpoint/metadata.js';
import { endTokens } from '../text/end-tokens.js';
import { fitVocabulary, type Rows, tokenIds } from '../text/fit-vocabulary.js';
import type { CheckpointText } from '../types.js';

const fieldsSchema = z.record(z.string(), z.unknown());
/** A file of its own for the template, before it was one without JSON around it. */
const templateSchema = z.object({ chat_template: z.unknown().optional() });

export const GENERATION_CONFIG = 'generation_config.json';

/** The files that `readFolderText` reads. */
export const TEXT_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'chat_template.json',
] as const;

/** The fields of a folder's generation_config.json, none where it has no such file. Throws `checkpoint_invalid`. */
export async function readGenerationConfig(
  folder: string,
  signal?: AbortSignal,
): Promise<Record<string, unknown>> {
  const content = await readJson(join(folder, GENERATION_CONFIG), signal);
  return parseFields(fieldsSchema, content ?? {}, GENERATION_CONFIG);
}

/**
 * A Hugging Face folder's tokenizer, chat template and special tokens, as far as the embedding has rows for them.
 * generation_config.json wins over config.json, which may still have the ids of the model that it was made of.
 * Throws `unsupported_tokenizer` without tokenizer.json, and `checkpoint_invalid`.
 */
export async function readFolderText(
  folder: string,
  config: unknown,
  generation: Record<string, unknown>,
  { signal, ...rows }: Rows & { readonly signal?: AbortSignal | undefined },
): Promise<CheckpointText> {
  const [file, tokenizerConfig, template, older] = await Promise.all([
    readJson(join(folder, 'tokenizer.json'), signal),
    readJson(join(folder, 'tokenizer_config.json'), signal),
    readText(join(folder, 'chat_template.jinja'), signal),
    readJson(join(folder, 'chat_template.json'), signal),
  ]);
  if (file === undefined) {
    throw new ServingError('unsupported_tokenizer', 'the folder has no tokenizer.json', {
      hint: 'save one with AutoTokenizer.from_pretrained(…).save_pretrained(…)',
    });
  }
  const idsIn = (name: string, content: unknown) => {
    const fields = parseFields(fieldsSchema, content ?? {}, name);
    const ids = (field: string): number[] => tokenIds(`${name}: ${field}`, fields[field], rows);
    return { bos: ids('bos_token_id'), eos: ids('eos_token_id') };
  };
  const generated = idsIn(GENERATION_CONFIG, generation);
  const configured = idsIn('config.json', config);
  const text = {
    tokenizer: fitVocabulary(file, rows),
    tokenizerConfig: {
      ...parseFields(fieldsSchema, tokenizerConfig ?? {}, 'tokenizer_config.json'),
      ...parseFields(templateSchema, older ?? {}, 'chat_template.json'),
      ...(template === undefined ? {} : { chat_template: template }),
    },
  };
  return {
    ...text,
    bosId: generated.bos[0] ?? configured.bos[0] ?? null,
    eosIds: endTokens({
      ...text,
      named: generated.eos.length > 0 ? generated.eos : configured.eos,
      supposed: configured.eos,
    }),
  };
}
