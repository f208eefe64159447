import ort from 'onnxruntime-node';
import type { LayerRange } from '../model/split.js';
import type { ModelConfig } from '../model/types.js';
import { pastName } from './graph/inputs.js';
import { rotaryAngles } from './graph/rotary.js';
import { SHORT_ROWS } from './kv/arrange.js';
import type { KvBatch } from './kv/kv-cache.js';
import { arraysOf, type CacheValues, type KvLayout } from './kv/kv-layout.js';

type Feeds = Record<string, ort.Tensor>;

/** The shape of a run: sequences that have `lengths` tokens cached, in `past` rows, and get `count` new ones. */
export interface RunShape {
  readonly lengths: readonly number[];
  readonly past: number;
  readonly count: number;
  /** Whether each query row meets the cache in a product of its own: see `StepInputs.queryShape`. */
  readonly rowByRow: boolean;
}

/**
 * A batch meets the whole of its slots, which is what can be had without copying. A chunk of a prompt would pay
 * for their empty part with every one of its rows, so it gets the rows that are written; at first one that is
 * not, and is masked, since not every operator takes none.
 */
export function runShape({ arena, members, count }: KvBatch, { precision }: KvLayout): RunShape {
  const lengths = members.map(({ position }) => position);
  const isChunk = lengths.length === 1 && (count > SHORT_ROWS || lengths[0] === 0);
  const past = isChunk ? Math.max(1, lengths[0]!) : arena.bucket;
  return { lengths, past, count, rowByRow: count === 1 && precision === 'f32' };
}

/** What a run needs beside its tokens or activations and the cache: positions and masks. */
export function sharedFeeds(run: RunShape, config: ModelConfig, frequencies: Float64Array): Feeds {
  const { lengths, past, count, rowByRow } = run;
  const { heads, kvHeads, headDim } = config;
  const group = heads / kvHeads;
  const positions = lengths.flatMap((length) => Array.from({ length: count }, (_, index) => length + index));
  const { cos, sin } = rotaryAngles(frequencies, positions);
  const angles = [positions.length, headDim / 2];
  const [products, rows] = rowByRow ? [group, count] : [1, group * count];
  return {
    rotary_rows: int64([...positions.keys()], [lengths.length, count]),
    cos: new ort.Tensor('float32', cos, angles),
    sin: new ort.Tensor('float32', sin, angles),
    query_shape: int64([lengths.length, kvHeads, products, rows, headDim], [5]),
    mask: mask(run, count === 1 ? 1 : rows),
    past_and_new: int64([past, count], [2]),
  };
}

/** The cache of each layer: views of the arena, or, where fewer rows are wanted than a slot has, copies. */
export function cacheFeeds(batch: KvBatch, past: number, range: LayerRange, layout: KvLayout): Feeds {
  const { arena, firstSlot, members } = batch;
  const feeds: Feeds = {};
  for (let plane = 0; plane < layout.shape.planes; plane++) {
    const rows =
      past === arena.bucket
        ? arena.view(plane, firstSlot, members.length)
        : arena.read(plane, firstSlot, past);
    for (const [index, { name, shape }] of arraysOf(layout, plane).entries()) {
      const layer = range.start + Math.floor(plane / 2);
      feeds[pastName(layer, name)] = tensor(rows[index]!, shape(members.length, past));
    }
  }
  return feeds;
}

const tensor = (values: CacheValues, shape: readonly number[]): ort.Tensor =>
  values instanceof Float32Array
    ? new ort.Tensor('float32', values, shape)
    : new ort.Tensor('int8', values, shape);

/** Query row r, which is token r mod S of its chunk, sees the cached tokens and the chunk's up to its own. */
function mask({ lengths, past, count }: RunShape, rows: number): ort.Tensor {
  const keys = past + count;
  const values = new Float32Array(lengths.length * rows * keys);
  for (const [index, length] of lengths.entries()) {
    for (let row = 0; row < rows; row++) {
      const start = (index * rows + row) * keys;
      values.fill(-Infinity, start + Math.min(length, past), start + past);
      values.fill(-Infinity, start + past + (row % count) + 1, start + keys);
    }
  }
  return new ort.Tensor('float32', values, [lengths.length, 1, 1, rows, keys]);
}

/** What ONNX takes as indices and shapes. */
export const int64 = (values: readonly number[], shape: number[]): ort.Tensor =>
  new ort.Tensor('int64', BigInt64Array.from(values, BigInt), shape);
