import ort from 'onnxruntime-node';
import type { ModelConfig } from '../model/types.js';
import { rotaryAngles } from './graph/rotary.js';
import { pastKeyName, pastValueName } from './graph/names.js';
import type { KvBatch } from './kv/kv-cache.js';
import type { LayerRange } from './types.js';

type Feeds = Record<string, ort.Tensor>;

/** The shape of a run: sequences that have `lengths` tokens cached, in `past` rows, and get `count` new ones. */
export interface RunShape {
  readonly lengths: readonly number[];
  readonly past: number;
  readonly count: number;
}

/** A prompt's first chunk has no past, and need not be compared with the whole of an empty slot. */
export function runShape({ arena, members, count }: KvBatch): RunShape {
  const lengths = members.map(({ length }) => length);
  const fresh = lengths.length === 1 && lengths[0] === 0;
  return { lengths, past: fresh ? 0 : arena.bucket, count };
}

/** What a run needs beside its tokens or activations and the cache: positions and masks. */
export function sharedFeeds(run: RunShape, config: ModelConfig, frequencies: Float64Array): Feeds {
  const { lengths, past, count } = run;
  const { heads, kvHeads, headDim } = config;
  const group = heads / kvHeads;
  const positions = lengths.flatMap((length) => Array.from({ length: count }, (_, index) => length + index));
  const { cos, sin } = rotaryAngles(frequencies, positions);
  const angles = [positions.length, headDim / 2];
  // See `StepInputs.queryShape`.
  const [products, rows] = count === 1 ? [group, 1] : [1, group * count];
  return {
    rotary_rows: int64([...positions.keys()], [lengths.length, count]),
    cos: new ort.Tensor('float32', cos, angles),
    sin: new ort.Tensor('float32', sin, angles),
    query_shape: int64([lengths.length, kvHeads, products, rows, headDim], [5]),
    mask: new ort.Tensor('float32', mask(run, rows), [lengths.length, 1, 1, rows, past + count]),
    past_and_new: int64([past, count], [2]),
  };
}

/** The cache of each layer, as views of the arena. */
export function cacheFeeds(batch: KvBatch, past: number, range: LayerRange, config: ModelConfig): Feeds {
  const { arena, firstSlot, members } = batch;
  const shape = [members.length, config.kvHeads, 1, past, config.headDim];
  const tensor = (plane: number): ort.Tensor =>
    new ort.Tensor('float32', past === 0 ? NO_ROWS : arena.view(plane, firstSlot, members.length), shape);
  const feeds: Feeds = {};
  for (let layer = range.start; layer < range.end; layer++) {
    const plane = 2 * (layer - range.start);
    feeds[pastKeyName(layer)] = tensor(plane);
    feeds[pastValueName(layer)] = tensor(plane + 1);
  }
  return feeds;
}

const NO_ROWS = new Float32Array();

/** Query row r, which is token r mod S of its chunk, sees the cached tokens and the chunk's up to its own. */
function mask({ lengths, past, count }: RunShape, rows: number): Float32Array {
  const keys = past + count;
  const values = new Float32Array(lengths.length * rows * keys);
  for (const [index, length] of lengths.entries()) {
    for (let row = 0; row < rows; row++) {
      const start = (index * rows + row) * keys;
      values.fill(-Infinity, start + Math.min(length, past), start + past);
      values.fill(-Infinity, start + past + (row % count) + 1, start + keys);
    }
  }
  return values;
}

const int64 = (values: readonly number[], shape: number[]): ort.Tensor =>
  new ort.Tensor('int64', BigInt64Array.from(values, BigInt), shape);
