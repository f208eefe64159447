import type { CacheArray, KvLayout, KvShape } from './kv-layout.js';

/** Keys and values as they are computed. */
export function plainLayout(shape: KvShape): KvLayout {
  const { kvHeads, headDim } = shape;
  const array = (name: string): CacheArray => ({
    name,
    dtype: 'f32',
    heads: kvHeads,
    width: headDim,
    transposed: false,
    shape: (sequences, rows) => [sequences, kvHeads, 1, rows, headDim],
  });
  return { precision: 'f32', shape, keys: [array('key')], values: [array('value')] };
}
