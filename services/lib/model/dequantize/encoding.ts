/**
 * How the weights of a tensor are stored: in blocks of `blockSize` weights, `blockBytes` bytes each. A row
 * of a matrix is a whole number of blocks, so any row can be read alone. Layouts are those of ggml's
 * `block_*` structures (ggml-common.h); all fields are little-endian.
 */
export interface Encoding {
  readonly name: string;
  readonly blockSize: number;
  readonly blockBytes: number;
  /** Decodes whole blocks: `bytes` holds exactly the blocks that fill `weights`. */
  dequantize(bytes: Uint8Array, weights: Float32Array): void;
}
