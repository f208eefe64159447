import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import type { ModelConfig, TextFiles } from '../types.js';
import {
  type FileRecord,
  type Manifest,
  MANIFEST_FILE,
  manifestSchema,
  MODEL_FILE,
  type ModelFile,
  modelFileSchema,
  shardFiles,
  TOKENIZER_CONFIG_FILE,
  TOKENIZER_FILE,
} from './format.js';

/** A prepared model, checked; weights are opened by whoever runs them. */
export interface Shards {
  /** Where the shard files of this precision are. */
  readonly directory: string;
  readonly digest: string;
  readonly config: ModelConfig;
  readonly precision: Manifest['precision'];
  readonly weightRule: Manifest['weightRule'];
  file(name: string): FileRecord;
}

/**
 * Opens `shards/<digest>` at a precision. Only `files` (all, when left out) have to be present and of the
 * recorded size, so that a stage needs no other stage's shards. Anything amiss is `shards_invalid`.
 */
export async function openShards(
  directory: string,
  precision: Manifest['precision'],
  files?: readonly string[],
): Promise<Shards> {
  const { config, digest } = await readModelFile(directory);
  const folder = path.join(directory, precision);
  const manifest = await readJsonFile(path.join(folder, MANIFEST_FILE), manifestSchema);
  if (manifest.digest !== digest || manifest.precision !== precision) {
    throw invalid(`${folder} belongs to another model or precision`);
  }
  const records = new Map(manifest.files.map((record) => [record.name, record]));
  const file = (name: string): FileRecord => {
    const record = records.get(name);
    if (record === undefined) throw invalid(`${folder}: the manifest does not list ${name}`);
    return record;
  };
  for (const name of files ?? shardFiles(config.layers)) await checkSize(folder, file(name));
  return { directory: folder, digest, config, precision, weightRule: manifest.weightRule, file };
}

/** What the gateway needs: the model's shape and the tokens that end its answers. */
export const readModelFile = (directory: string): Promise<ModelFile> =>
  readJsonFile(path.join(directory, MODEL_FILE), modelFileSchema);

/** What the gateway reads of a prepared model besides `model.json`; it never opens weights. */
export async function readTextFiles(directory: string): Promise<TextFiles> {
  const [tokenizer, tokenizerConfig] = await Promise.all([
    readJsonFile(path.join(directory, TOKENIZER_FILE), z.unknown()),
    readJsonFile(path.join(directory, TOKENIZER_CONFIG_FILE), z.record(z.string(), z.unknown())),
  ]);
  return { tokenizer, tokenizerConfig };
}

/** Reads a shard file through and compares its digest: slow, for when a disk is doubted. */
export async function verifyShard(
  directory: string,
  record: FileRecord,
  signal?: AbortSignal,
): Promise<void> {
  const file = path.join(directory, record.name);
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash, { signal });
  if (hash.digest('hex') !== record.sha256) throw invalid(`${file} is corrupt: its digest differs`);
}

async function checkSize(directory: string, { name, size }: FileRecord): Promise<void> {
  const file = path.join(directory, name);
  const found = await stat(file).catch((error: unknown) => {
    throw invalid(`${file} is missing`, error);
  });
  if (found.size !== size) throw invalid(`${file} has ${found.size} bytes instead of ${size}`);
}

async function readJsonFile<T extends z.ZodType>(file: string, schema: T): Promise<z.infer<T>> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw invalid(`${file} is missing or not JSON`, error);
  }
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(`${file}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`, parsed.error);
}

const invalid = (message: string, cause?: unknown): ServingError =>
  new ServingError('shards_invalid', message, { cause });
