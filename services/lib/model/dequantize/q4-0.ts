import type { Encoding } from './encoding.js';
import { readHalf } from './half.js';

/** `{ d: f16, qs: u8[16] }`: w = d · (q − 8). Low nibbles are weights 0…15 of the block, high ones 16…31. */
export const Q4_0: Encoding = {
  name: 'Q4_0',
  blockSize: 32,
  blockBytes: 18,
  dequantize(bytes, weights) {
    for (let at = 0, out = 0; out < weights.length; at += 18, out += 32) {
      const d = readHalf(bytes, at);
      for (let i = 0; i < 16; i++) {
        const q = bytes[at + 2 + i]!;
        weights[out + i] = d * ((q & 15) - 8);
        weights[out + 16 + i] = d * ((q >> 4) - 8);
      }
    }
  },
};
