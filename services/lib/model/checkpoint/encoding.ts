import { readHalf } from '../float16.js';

/**
 * How the weights of a tensor are stored: in blocks of `blockSize` weights, `blockBytes` bytes each. A row
 * of a matrix is a whole number of blocks, so any row can be read alone.
 */
export interface Encoding {
  readonly name: string;
  readonly blockSize: number;
  readonly blockBytes: number;
  /** Decodes whole blocks: `bytes` holds exactly the blocks that fill `weights`. */
  dequantize(bytes: Uint8Array, weights: Float32Array): void;
}

/** Plain float32. Every platform that ONNX Runtime serves is little-endian, so the bytes are the numbers. */
export const F32: Encoding = {
  name: 'F32',
  blockSize: 1,
  blockBytes: 4,
  dequantize(bytes, weights) {
    new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength).set(bytes);
  },
};

/** IEEE 754 binary16. */
export const F16: Encoding = {
  name: 'F16',
  blockSize: 1,
  blockBytes: 2,
  dequantize(bytes, weights) {
    for (let i = 0; i < weights.length; i++) weights[i] = readHalf(bytes, 2 * i);
  },
};

/** bfloat16: the upper half of a float32. */
export const BF16: Encoding = {
  name: 'BF16',
  blockSize: 1,
  blockBytes: 2,
  dequantize(bytes, weights) {
    const bits = new Uint32Array(weights.buffer, weights.byteOffset, weights.length);
    for (let i = 0; i < bits.length; i++) bits[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
  },
};
