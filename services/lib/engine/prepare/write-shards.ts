import { weightBits } from '../../model/quantize/weight-bits.js';
import { EMBED_FILE, HEAD_FILE, layerFile, SHARD_FORMAT_VERSION } from '../../model/shards/format.js';
import { ShardFolder } from '../../model/shards/shard-folder.js';
import type { Checkpoint } from '../../model/types.js';
import type { Precision } from '../types.js';
import { savedCalibration } from './saved-calibration.js';
import { F32Recipe } from './f32-recipe.js';
import { Int8Recipe } from './int8-recipe.js';
import type { Recipe, Tensors } from './recipe.js';

export interface WriteShardsOptions {
  readonly signal?: AbortSignal | undefined;
  /** `done` of `total` layers and files; the steps take about as long as each other. */
  readonly onProgress?: ((progress: PrepareProgress) => void) | undefined;
}

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
  const files = layers + 2;
  const bits = precision === 'int8' ? weightBits() : null;
  const total = bits === null ? files : layers + files;
  const header = { version: SHARD_FORMAT_VERSION, digest, precision, weightBits: bits } as const;
  const folder = await ShardFolder.open(directory, header, signal);

  let recipe: Recipe = new F32Recipe(checkpoint);
  if (bits !== null) {
    const onLayer = (layer: number): void => onProgress?.({ done: layer + 1, total });
    recipe = new Int8Recipe(checkpoint, await savedCalibration(checkpoint, directory, signal, onLayer), bits);
  }
  let done = total - files;
  for (const [name, tensors] of filesOf(recipe, layers)) {
    if (!folder.has(name)) await folder.write(name, tensors, signal);
    onProgress?.({ done: ++done, total });
  }
  await folder.finish();
}

/** Tensors are made when they are asked for, so that of a file that is skipped none are. */
function* filesOf(recipe: Recipe, layers: number): Generator<[string, Tensors]> {
  yield [EMBED_FILE, recipe.embed()];
  for (let layer = 0; layer < layers; layer++) yield [layerFile(layer), recipe.layer(layer)];
  yield [HEAD_FILE, recipe.head()];
}
