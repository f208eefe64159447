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
