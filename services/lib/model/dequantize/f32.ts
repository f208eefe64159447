import type { Encoding } from './encoding.js';

/** Plain float32. Every platform that ONNX Runtime serves is little-endian, so the bytes are the numbers. */
export const F32: Encoding = {
  name: 'F32',
  blockSize: 1,
  blockBytes: 4,
  dequantize(bytes, weights) {
    new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength).set(bytes);
  },
};
