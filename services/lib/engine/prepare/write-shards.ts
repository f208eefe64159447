import { weightRule } from '../../model/quantize/weight-rule.js';
import { EMBED_FILE, HEAD_FILE, layerFile, SHARD_FORMAT_VERSION } from '../../model/shards/format.js';
import { ShardFolder } from '../../model/shards/shard-folder.js';
import type { Checkpoint } from '../../model/types.js';
import type { Precision } from '../types.js';
import { F32Recipe } from './f32-recipe.js';
import { Int8Recipe } from './int8-recipe.js';
import type { Recipe, Tensors } from './recipe.js';

export interface WriteShardsOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: PrepareProgress) => void) | undefined;
}

/** Files written, of how many. */
export interface PrepareProgress {
  readonly done: number;
  readonly total: number;
}

/** Writes the folder of one precision, or what an interrupted attempt left to do. */
export async function writeShards(
  checkpoint: Checkpoint,
  directory: string,
  precision: Precision,
  { signal, onProgress }: WriteShardsOptions,
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

/** Tensors are made when they are asked for, so that of a file that is skipped none are. */
function* filesOf(recipe: Recipe, layers: number): Generator<[string, Tensors]> {
  yield [EMBED_FILE, recipe.embed()];
  for (let layer = 0; layer < layers; layer++) yield [layerFile(layer), recipe.layer(layer)];
  yield [HEAD_FILE, recipe.head()];
}
