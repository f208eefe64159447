import path from 'node:path';
import { z } from 'zod';
import type { TextFiles } from '../types.js';
import { TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, type ModelFile } from './format.js';
import { readJsonFile } from './open-shards.js';

/** What the gateway reads of a prepared model besides `model.json`; it never opens weights. */
export async function readTextFiles(
  directory: string,
  { bosId, eosIds }: Pick<ModelFile, 'bosId' | 'eosIds'>,
): Promise<TextFiles> {
  const [tokenizer, tokenizerConfig] = await Promise.all([
    readJsonFile(path.join(directory, TOKENIZER_FILE), z.unknown()),
    readJsonFile(path.join(directory, TOKENIZER_CONFIG_FILE), z.record(z.string(), z.unknown())),
  ]);
  return { tokenizer, tokenizerConfig, bosId, eosIds };
}
