import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { ServingError } from '../../errors/serving-error.js';
import {
  EMBED_FILE,
  HEAD_FILE,
  layerFile,
  MODEL_FILE,
  type ModelFile,
  SHARD_FORMAT_VERSION,
  TOKENIZER_CONFIG_FILE,
  TOKENIZER_FILE,
} from '../../model/shards/format.js';
import { openShards } from '../../model/shards/open-shards.js';
import { checkWeightRule, weightRule } from '../../model/quantize/weight-rule.js';
import { ShardFolder } from '../../model/shards/shard-folder.js';
import type { TensorSource } from '../../model/shards/write-shard.js';
import type { SamplingDefaults } from '../../model/sampling-defaults.js';
import { writeJson } from '../../model/write-whole.js';
import type { Checkpoint, ModelConfig } from '../../model/types.js';
import type { Precision } from '../types.js';
import { F32Recipe, Int8Recipe } from './recipes.js';

/** Files written, of how many. */
export interface PrepareProgress {
  readonly done: number;
  readonly total: number;
}

export interface PrepareOptions {
  readonly precision: Precision;
  /** The cache folder; prepared models are in its `shards`. */
  readonly cache: string;
  /** In place of what the checkpoint says of sampling. */
  readonly sampling?: SamplingDefaults | undefined;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PrepareProgress) => void;
}

export interface PreparedModel {
  /** `shards/<digest>`. */
  readonly directory: string;
  readonly digest: string;
  readonly config: ModelConfig;
  readonly precision: Precision;
}

/**
 * Converts an open checkpoint to shards, once: a second call finds them and returns. May be interrupted at any time
 * and goes on where it was. Memory is bounded by a layer.
 */
export async function prepareCheckpoint(
  checkpoint: Checkpoint,
  options: PrepareOptions,
): Promise<PreparedModel> {
  const { precision, cache, sampling } = options;
  const { config, digest } = checkpoint;
  const directory = path.join(cache, 'shards', digest);
  await mkdir(directory, { recursive: true });
  // Each time: what is read out of the same checkpoint may be more than when its shards were written.
  await writeModelFiles(directory, checkpoint, sampling);
  if (!(await isPrepared(directory, precision))) {
    await writeShards(checkpoint, path.join(directory, precision), options);
  }
  return { directory, digest, config, precision };
}

/** What is missing, damaged or of another version is prepared again. */
async function isPrepared(directory: string, precision: Precision): Promise<boolean> {
  try {
    checkWeightRule(await openShards(directory, precision));
    return true;
  } catch (error) {
    if (error instanceof ServingError && error.code === 'shards_invalid') return false;
    throw error;
  }
}

async function writeModelFiles(
  directory: string,
  { config, digest, text, sampling: stated }: Checkpoint,
  sampling: SamplingDefaults = stated,
): Promise<void> {
  await writeJson(path.join(directory, TOKENIZER_FILE), text.tokenizer);
  await writeJson(path.join(directory, TOKENIZER_CONFIG_FILE), text.tokenizerConfig);
  const model: ModelFile = {
    version: SHARD_FORMAT_VERSION,
    digest,
    bosId: text.bosId,
    eosIds: [...text.eosIds],
    sampling,
    config: config as ModelFile['config'],
  };
  await writeJson(path.join(directory, MODEL_FILE), model);
}

/** Writes the folder of one precision, or what an interrupted attempt left to do. */
async function writeShards(
  checkpoint: Checkpoint,
  directory: string,
  { precision, signal, onProgress }: PrepareOptions,
): Promise<void> {
  const { digest } = checkpoint;
  const { layers } = checkpoint.config;
  const rule = precision === 'int8' ? weightRule() : null;
  const recipe = rule === null ? new F32Recipe(checkpoint) : new Int8Recipe(checkpoint, rule);
  const header = { version: SHARD_FORMAT_VERSION, digest, precision, weightRule: rule } as const;
  const folder = await ShardFolder.open(directory, header, signal);
  const files = [...filesOf(recipe, layers)];
  for (const [index, [name, tensors]] of files.entries()) {
    if (!folder.has(name)) await folder.write(name, tensors, signal);
    onProgress?.({ done: index + 1, total: files.length });
  }
  await folder.finish();
}

type Tensors = Iterable<TensorSource> | AsyncIterable<TensorSource>;

/** Tensors are made when they are asked for, so that of a file that is skipped none are. */
function* filesOf(recipe: F32Recipe | Int8Recipe, layers: number): Generator<[string, Tensors]> {
  yield [EMBED_FILE, recipe.embed()];
  for (let layer = 0; layer < layers; layer++) yield [layerFile(layer), recipe.layer(layer)];
  yield [HEAD_FILE, recipe.head()];
}
