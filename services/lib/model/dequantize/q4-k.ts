import type { Encoding } from './encoding.js';
import { readHalf } from './half.js';
import { subBlockMinimum, subBlockScale } from './k-scales.js';

/**
 * `{ d: f16, dmin: f16, scales: u8[12], qs: u8[128] }`: w = d · scale · q − dmin · minimum in sub-blocks of
 * 32. Each 32 bytes of `qs` hold two sub-blocks, the first in the low nibbles.
 */
export const Q4_K: Encoding = {
  name: 'Q4_K',
  blockSize: 256,
  blockBytes: 144,
  dequantize(bytes, weights) {
    for (let at = 0, out = 0; out < weights.length; at += 144, out += 256) {
      const d = readHalf(bytes, at);
      const dmin = readHalf(bytes, at + 2);
      for (let block = 0; block < 8; block++) {
        const scale = d * subBlockScale(bytes, at + 4, block);
        const minimum = dmin * subBlockMinimum(bytes, at + 4, block);
        const qs = at + 16 + (block >> 1) * 32;
        const shift = (block & 1) * 4;
        const first = out + block * 32;
        for (let i = 0; i < 32; i++) weights[first + i] = scale * ((bytes[qs + i]! >> shift) & 15) - minimum;
      }
    }
  },
};
