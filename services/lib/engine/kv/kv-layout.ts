import type { Dimension } from '../onnx/graph-builder.js';

/** The shape of what is cached of one token: a row of `headDim` for each KV head, in each plane. */
export interface KvShape {
  /** Two a layer: keys and values. */
  readonly planes: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

export type CacheValues = Float32Array | Int8Array;

/** One array of a plane: `[slots, outer, bucket, inner]`, in which `outer · inner` values belong to a token. */
export interface CacheArray {
  /** Follows `past_` in the name of the model's input. */
  readonly name: string;
  readonly dtype: 'f32' | 'i8';
  readonly outer: number;
  readonly inner: number;
  /** As the model takes it, of so many sequences and rows. */
  shape<Size extends Dimension>(sequences: Size, rows: Size): (Size | number)[];
}

export interface PlaneLayout {
  readonly arrays: readonly CacheArray[];
  /**
   * Rows as the model returns them, `[kvHeads, rows, headDim]`, in the form of each of the arrays,
   * `[outer, rows, inner]`. The result holds until the next call.
   */
  encode(rows: Float32Array): readonly CacheValues[];
}

/** How keys and values are kept. */
export interface KvLayout {
  readonly precision: 'f32' | 'int8';
  readonly shape: KvShape;
  readonly keys: PlaneLayout;
  readonly values: PlaneLayout;
}

/** The layout of a plane; those of keys and values take turns. */
export const planeLayout = ({ keys, values }: KvLayout, plane: number): PlaneLayout =>
  plane % 2 === 0 ? keys : values;

/** Bytes of one token in all planes. */
export function bytesPerToken(layout: KvLayout): number {
  const arrays = [...layout.keys.arrays, ...layout.values.arrays];
  const bytes = arrays.reduce((sum, { dtype, outer, inner }) => sum + BYTES[dtype] * outer * inner, 0);
  return (bytes * layout.shape.planes) / 2;
}

const BYTES = { f32: 4, i8: 1 };
