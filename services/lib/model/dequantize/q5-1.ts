import type { Encoding } from './encoding.js';
import { readHalf } from './half.js';

/** `{ d: f16, m: f16, qh: u8[4], qs: u8[16] }`: w = d · q + m. Bits in the order of Q5_0. */
export const Q5_1: Encoding = {
  name: 'Q5_1',
  blockSize: 32,
  blockBytes: 24,
  dequantize(bytes, weights) {
    for (let at = 0, out = 0; out < weights.length; at += 24, out += 32) {
      const d = readHalf(bytes, at);
      const m = readHalf(bytes, at + 2);
      for (let i = 0; i < 16; i++) {
        const q = bytes[at + 8 + i]!;
        const low = (bytes[at + 4 + (i >> 3)]! >> (i & 7)) & 1;
        const high = (bytes[at + 6 + (i >> 3)]! >> (i & 7)) & 1;
        weights[out + i] = d * ((q & 15) | (low << 4)) + m;
        weights[out + 16 + i] = d * ((q >> 4) | (high << 4)) + m;
      }
    }
  },
};
