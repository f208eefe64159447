import { EMBED_FILE, HEAD_FILE, layerFile, SHARD_FORMAT_VERSION, shardFiles } from '../../model/shards/format.js';
import { ShardFolder } from '../../model/shards/shard-folder.js';
import type { Checkpoint } from '../../model/types.js';
import type { Precision } from '../types.js';
import { f32Embed, f32Head, f32Layer } from './f32-sources.js';
import type { PrepareOptions } from './prepare-model.js';
import { int8Sources } from './int8-sources.js';

export async function writeShards(
  checkpoint: Checkpoint,
  directory: string,
  precision: Precision,
  { signal, onProgress }: Pick<PrepareOptions, 'signal' | 'onProgress'>,
): Promise<void> {
  const { layers } = checkpoint.config;
  const header = { version: SHARD_FORMAT_VERSION, digest: checkpoint.digest, precision, weightBits: null } as const;
  const folder = await ShardFolder.open(directory, header, signal);
  const files = shardFiles(layers);
  const src = precision === 'int8' ? await int8Sources(checkpoint) : {embed: () => f32Embed(checkpoint), head: () => f32Head(checkpoint), layer: (i: number) => f32Layer(checkpoint, i)};
  let done = 0;
  for (const file of files) {
    if (!folder.has(file)) {
      const sources = file === EMBED_FILE ? await src.embed() : file === HEAD_FILE ? await src.head() : await src.layer(files.indexOf(file) - 1);
      await folder.write(file, sources, signal);
    }
    onProgress?.({ done: ++done, total: files.length });
  }
  await folder.finish();
}
void layerFile;
