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
  const rows = lengths.length * count;
  const positions = lengths.flatMap((length) => Array.from({ length: count }, (_, index) => length + index));
  const { cos, sin } = rotaryAngles(frequencies, positions);
  const angles = [rows, config.headDim / 2];
  return {
    rotary_rows: new ort.Tensor('int64', BigInt64Array.from(positions.keys(), BigInt), [
      lengths.length,
      count,
    ]),
    cos: new ort.Tensor('float32', cos, angles),
    sin: new ort.Tensor('float32', sin, angles),
    past_mask: new ort.Tensor('float32', pastMask(run), [lengths.length, 1, 1, past]),
    new_mask: causalMask(count, config.heads / config.kvHeads),
    past_and_new: new ort.Tensor('int64', BigInt64Array.of(BigInt(past), BigInt(count)), [2]),
  };
}

/** The cache of each layer, as views of the arena. */
export function cacheFeeds(batch: KvBatch, past: number, range: LayerRange, config: ModelConfig): Feeds {
  const { arena, firstSlot, members } = batch;
  const shape = [members.length, config.kvHeads, past, config.headDim];
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

/** Hides the rows of the cache that hold no token yet. */
function pastMask({ lengths, past }: RunShape): Float32Array {
  const mask = new Float32Array(lengths.length * past);
  if (past === 0) return mask;
  for (const [index, length] of lengths.entries()) {
    mask.fill(-Infinity, index * past + length, (index + 1) * past);
  }
  return mask;
}

/** Token i of a chunk sees the chunk's tokens up to i; the same for each query head of a group. */
function causalMask(count: number, group: number): ort.Tensor {
  const mask = new Float32Array(group * count * count);
  for (let row = 0; row < group * count; row++) {
    mask.fill(-Infinity, row * count + (row % count) + 1, (row + 1) * count);
  }
  return new ort.Tensor('float32', mask, [1, 1, group * count, count]);
}
