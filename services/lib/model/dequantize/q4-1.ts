import type { Encoding } from './encoding.js';
import { readHalf } from './half.js';

/** `{ d: f16, m: f16, qs: u8[16] }`: w = d · q + m. Nibbles in the order of Q4_0. */
export const Q4_1: Encoding = {
  name: 'Q4_1',
  blockSize: 32,
  blockBytes: 20,
  dequantize(bytes, weights) {
    for (let at = 0, out = 0; out < weights.length; at += 20, out += 32) {
      const d = readHalf(bytes, at);
      const m = readHalf(bytes, at + 2);
      for (let i = 0; i < 16; i++) {
        const q = bytes[at + 4 + i]!;
        weights[out + i] = d * (q & 15) + m;
        weights[out + 16 + i] = d * (q >> 4) + m;
      }
    }
  },
};
