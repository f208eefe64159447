import type { Encoding } from './encoding.js';
import { readHalf } from './half.js';

/** `{ d: f16, qs: i8[32] }`: w = d · q. */
export const Q8_0: Encoding = {
  name: 'Q8_0',
  blockSize: 32,
  blockBytes: 34,
  dequantize(bytes, weights) {
    const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0, out = 0; out < weights.length; at += 34, out += 32) {
      const d = readHalf(bytes, at);
      for (let i = 0; i < 32; i++) weights[out + i] = d * signed[at + 2 + i]!;
    }
  },
};
