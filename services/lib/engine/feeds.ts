import ort from 'onnxruntime-node';
import type { ModelConfig } from '../model/types.js';
import { rotaryAngles } from './graph/rotary.js';
import { pastKeyName, pastValueName } from './graph/stage-graph.js';
import type { KvBatch } from './kv/kv-cache.js';
import type { LayerRange } from './types.js';

type Feeds = Record<string, ort.Tensor>;

/** What a run needs beside its tokens or activations: positions, masks and the cache. */
export function sharedFeeds(batch: KvBatch, config: ModelConfig, frequencies: Float64Array): Feeds {
  const { members, count } = batch;
  const sequences = members.length;
  const rows = sequences * count;
  const past = pastRows(batch);
  const positions = members.flatMap(({ length }) =>
    Array.from({ length: count }, (_, index) => length + index),
  );
  const { cos, sin } = rotaryAngles(frequencies, positions, rows);
  const angles = [rows, config.headDim / 2];
  return {
    rotary_rows: new ort.Tensor('int64', BigInt64Array.from(positions.keys(), BigInt), [sequences, count]),
    cos: new ort.Tensor('float32', cos, angles),
    sin: new ort.Tensor('float32', sin, angles),
    past_mask: new ort.Tensor('float32', pastMask(batch, past), [sequences, 1, 1, past]),
    new_mask: causalMask(count, config.heads / config.kvHeads),
    past_and_new: new ort.Tensor('int64', BigInt64Array.of(BigInt(past), BigInt(count)), [2]),
  };
}

/** The cache of each layer, as views of the arena. */
export function cacheFeeds(batch: KvBatch, range: LayerRange, config: ModelConfig): Feeds {
  const { arena, firstSlot, members } = batch;
  const past = pastRows(batch);
  const shape = [members.length, config.kvHeads, past, config.headDim];
  const feeds: Feeds = {};
  const tensor = (plane: number): ort.Tensor =>
    new ort.Tensor(
      'float32',
      past === 0 ? new Float32Array() : arena.view(plane, firstSlot, members.length),
      shape,
    );
  for (let layer = range.start; layer < range.end; layer++) {
    const plane = 2 * (layer - range.start);
    feeds[pastKeyName(layer)] = tensor(plane);
    feeds[pastValueName(layer)] = tensor(plane + 1);
  }
  return feeds;
}

/** A prompt's first chunk has no past, and need not be compared with the whole of an empty slot. */
const pastRows = ({ arena, members }: KvBatch): number =>
  members.every(({ length }) => length === 0) ? 0 : arena.bucket;

function pastMask({ members }: KvBatch, past: number): Float32Array {
  const mask = new Float32Array(members.length * past);
  for (const [index, { length }] of members.entries()) {
    if (past > 0) mask.fill(-Infinity, index * past + length, (index + 1) * past);
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
