import type { CacheArray, KvLayout, KvShape } from './kv-layout.js';

/**
 * Keys and values in 8 bits, each row by its own largest magnitude: a quarter of the memory to hold, move and,
 * in every step, read. Keys lie transposed, since integer products do not transpose.
 */
export function int8Layout(shape: KvShape): KvLayout {
  const { kvHeads, headDim } = shape;
  const keys: CacheArray = {
    name: 'key',
    dtype: 'i8',
    heads: kvHeads,
    width: headDim,
    transposed: true,
    shape: (sequences, rows) => [sequences, kvHeads, 1, headDim, rows],
  };
  const values: CacheArray = {
    name: 'value',
    dtype: 'i8',
    heads: kvHeads,
    width: headDim,
    transposed: false,
    shape: (sequences, rows) => [sequences, kvHeads, 1, rows, headDim],
  };
  const scales = ({ name }: CacheArray): CacheArray => ({
    name: `${name}_scale`,
    dtype: 'f32',
    heads: kvHeads,
    width: 1,
    transposed: false,
    shape: (sequences, rows) => [sequences, kvHeads, 1, 1, rows],
  });
  return { precision: 'int8', shape, keys: [keys, scales(keys)], values: [values, scales(values)] };
}
