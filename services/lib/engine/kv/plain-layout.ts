import type { KvLayout, KvShape, PlaneLayout } from './kv-layout.js';

/** Keys and values as they are computed. */
export function plainLayout(shape: KvShape): KvLayout {
  const plane = (name: string): PlaneLayout => ({
    arrays: [
      {
        name,
        dtype: 'f32',
        outer: shape.kvHeads,
        inner: shape.headDim,
        shape: (sequences, rows) => [sequences, shape.kvHeads, 1, rows, shape.headDim],
      },
    ],
    encode: (rows) => [rows],
  });
  return { precision: 'f32', shape, keys: plane('key'), values: plane('value') };
}
