import type { Encoding } from './encoding.js';

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
