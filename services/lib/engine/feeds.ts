import ort from 'onnxruntime-node';
import type { ModelConfig } from '../model/types.js';
import { rotaryAngles } from './graph/rotary.js';
import { pastKeyName, pastValueName } from './graph/names.js';
import type { KvBatch } from './kv/kv-cache.js';
import { SHORT_ROWS } from './kv/padding.js';
import type { LayerRange } from './types.js';

type Feeds = Record<string, ort.Tensor>;

/** The shape of a run: sequences that have `lengths` tokens cached, in `past` rows, and get `count` new ones. */
export interface RunShape {
  readonly lengths: readonly number[];
  readonly past: number;
  readonly count: number;
}

/**
 * A batch meets the whole of its slots, which is what can be had without copying. A chunk of a prompt would pay
 * for their empty part with every one of its rows, so it gets the rows that are written, and none at first.
 */
export function runShape({ arena, members, count }: KvBatch): RunShape {
  const lengths = members.map(({ length }) => length);
  const isChunk = lengths.length === 1 && (count > SHORT_ROWS || lengths[0] === 0);
  return { lengths, past: isChunk ? lengths[0]! : arena.bucket, count };
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

/** The cache of each layer: views of the arena, or, where fewer rows are wanted than a slot has, copies. */
export function cacheFeeds(batch: KvBatch, past: number, range: LayerRange, config: ModelConfig): Feeds {
  const { arena, firstSlot, members } = batch;
  const { kvHeads, headDim } = config;
  const rows = (plane: number): Float32Array => {
    if (past === arena.bucket) return arena.view(plane, firstSlot, members.length);
    const written = new Float32Array(kvHeads * past * headDim);
    arena.read(plane, firstSlot, 0, written, past);
    return written;
  };
  const shape = [members.length, kvHeads, 1, past, headDim];
  const feeds: Feeds = {};
  for (let layer = range.start; layer < range.end; layer++) {
    const plane = 2 * (layer - range.start);
    feeds[pastKeyName(layer)] = new ort.Tensor('float32', rows(plane), shape);
    feeds[pastValueName(layer)] = new ort.Tensor('float32', rows(plane + 1), shape);
  }
  return feeds;
}

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
