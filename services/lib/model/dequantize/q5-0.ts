import type { Encoding } from './encoding.js';
import { readHalf } from './half.js';

/** `{ d: f16, qh: u8[4], qs: u8[16] }`: w = d · (q − 16). Bit i of `qh` is the fifth bit of weight i. */
export const Q5_0: Encoding = {
  name: 'Q5_0',
  blockSize: 32,
  blockBytes: 22,
  dequantize(bytes, weights) {
    for (let at = 0, out = 0; out < weights.length; at += 22, out += 32) {
      const d = readHalf(bytes, at);
      for (let i = 0; i < 16; i++) {
        const q = bytes[at + 6 + i]!;
        const low = (bytes[at + 2 + (i >> 3)]! >> (i & 7)) & 1;
        const high = (bytes[at + 4 + (i >> 3)]! >> (i & 7)) & 1;
        weights[out + i] = d * (((q & 15) | (low << 4)) - 16);
        weights[out + 16 + i] = d * (((q >> 4) | (high << 4)) - 16);
      }
    }
  },
};
