import type { Dimension } from '../onnx/graph-builder.js';

/** The shape of what is cached of one token: a row of `headDim` for each KV head, in each plane. */
export interface KvShape {
  /** Two a layer: keys and values. */
  readonly planes: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

export type CacheValues = Float32Array | Int8Array;

/**
 * One array of a plane. The model returns a step's rows of it as `[heads, rows, width]`; kept they are
 * `[slots, heads, bucket, width]`, or transposed, `[slots, heads, width, bucket]`.
 */
export interface CacheArray {
  /** Follows `past_` in the name of the model's input. */
  readonly name: string;
  readonly dtype: 'f32' | 'i8';
  readonly heads: number;
  readonly width: number;
  readonly transposed: boolean;
  /** As the model takes it, of so many sequences and rows. */
  readonly shape: <Size extends Dimension>(sequences: Size, rows: Size) => (Size | number)[];
}

/** How keys and values are kept: the arrays of each, in the order of the model's outputs of new rows. */
export interface KvLayout {
  readonly precision: 'f32' | 'int8';
  readonly shape: KvShape;
  readonly keys: readonly CacheArray[];
  readonly values: readonly CacheArray[];
}

/** The arrays of a plane; those of keys and values take turns. */
export const arraysOf = ({ keys, values }: KvLayout, plane: number): readonly CacheArray[] =>
  plane % 2 === 0 ? keys : values;

/** Bytes of one token in all planes. */
export function bytesPerToken({ keys, values, shape }: KvLayout): number {
  const bytes = [...keys, ...values].reduce(
    (sum, { dtype, heads, width }) => sum + (dtype === 'f32' ? 4 : 1) * heads * width,
    0,
  );
  return (bytes * shape.planes) / 2;
}

/** Keys and values as they are computed. */
export function plainLayout(shape: KvShape): KvLayout {
  const { kvHeads, headDim } = shape;
  const array = (name: string): CacheArray => cacheArray(name, 'f32', kvHeads, headDim);
  return { precision: 'f32', shape, keys: [array('key')], values: [array('value')] };
}

/**
 * Keys and values in 8 bits, each row by its own largest magnitude: a quarter of the memory to hold, move and,
 * in every step, read. Keys lie transposed, since integer products do not transpose.
 */
export function int8Layout(shape: KvShape): KvLayout {
  const { kvHeads, headDim } = shape;
  const keys = cacheArray('key', 'i8', kvHeads, headDim, true);
  const values = cacheArray('value', 'i8', kvHeads, headDim);
  // The model takes them as columns, and rows of one value lie as a column does.
  const scales = ({ name }: CacheArray): CacheArray => ({
    ...cacheArray(`${name}_scale`, 'f32', kvHeads, 1, true),
    transposed: false,
  });
  return { precision: 'int8', shape, keys: [keys, scales(keys)], values: [values, scales(values)] };
}

function cacheArray(
  name: string,
  dtype: CacheArray['dtype'],
  heads: number,
  width: number,
  transposed = false,
): CacheArray {
  return {
    name,
    dtype,
    heads,
    width,
    transposed,
    shape: (sequences, rows) =>
      transposed ? [sequences, heads, 1, width, rows] : [sequences, heads, 1, rows, width],
  };
}
