import type { CacheArray, KvLayout, KvShape, PlaneLayout } from './kv-layout.js';

const LEVELS = 127;

/**
 * Keys and values in 8 bits, each row by its own largest magnitude: a quarter of the memory to hold, move and,
 * in every step, read. Keys lie transposed, since integer products do not transpose.
 */
export function int8Layout(shape: KvShape): KvLayout {
  const { kvHeads, headDim } = shape;
  const keys: CacheArray = {
    name: 'key',
    dtype: 'i8',
    outer: kvHeads * headDim,
    inner: 1,
    shape: (sequences, rows) => [sequences, kvHeads, 1, headDim, rows],
  };
  const values: CacheArray = {
    name: 'value',
    dtype: 'i8',
    outer: kvHeads,
    inner: headDim,
    shape: (sequences, rows) => [sequences, kvHeads, 1, rows, headDim],
  };
  return {
    precision: 'int8',
    shape,
    keys: quantized(shape, keys, (head, row, rows) => ({ start: head * headDim * rows + row, stride: rows })),
    values: quantized(shape, values, (head, row, rows) => ({
      start: (head * rows + row) * headDim,
      stride: 1,
    })),
  };
}

/** Where the values of a row lie among `rows` rows. */
type Place = (head: number, row: number, rows: number) => { readonly start: number; readonly stride: number };

function quantized({ kvHeads, headDim }: KvShape, levels: CacheArray, placeOf: Place): PlaneLayout {
  const scales: CacheArray = {
    name: `${levels.name}_scale`,
    dtype: 'f32',
    outer: kvHeads,
    inner: 1,
    shape: (sequences, rows) => [sequences, kvHeads, 1, 1, rows],
  };
  // A decode step encodes hundreds of rows, one by one: new arrays for each would cost more than filling them.
  let encoded = { levels: new Int8Array(), scales: new Float32Array() };
  return {
    arrays: [levels, scales],
    encode(values) {
      if (encoded.levels.length !== values.length) {
        encoded = {
          levels: new Int8Array(values.length),
          scales: new Float32Array(values.length / headDim),
        };
      }
      const rows = values.length / (kvHeads * headDim);
      for (let head = 0; head < kvHeads; head++) {
        for (let row = 0; row < rows; row++) {
          const from = (head * rows + row) * headDim;
          const greatest = greatestMagnitude(values, from, headDim);
          encoded.scales[head * rows + row] = greatest / LEVELS;
          const inverse = greatest === 0 ? 0 : LEVELS / greatest;
          const { start, stride } = placeOf(head, row, rows);
          for (let i = 0; i < headDim; i++) {
            encoded.levels[start + i * stride] = Math.round(values[from + i]! * inverse);
          }
        }
      }
      return [encoded.levels, encoded.scales];
    },
  };
}

function greatestMagnitude(values: Float32Array, from: number, count: number): number {
  let greatest = 0;
  for (let i = from; i < from + count; i++) greatest = Math.max(greatest, Math.abs(values[i]!));
  return greatest;
}
