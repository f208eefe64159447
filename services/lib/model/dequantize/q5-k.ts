import type { Encoding } from './encoding.js';
import { readHalf } from './half.js';
import { subBlockMinimum, subBlockScale } from './k-scales.js';

/**
 * `{ d: f16, dmin: f16, scales: u8[12], qh: u8[32], qs: u8[128] }`: Q4_K with a fifth bit. Bit b of `qh[i]`
 * belongs to weight i of sub-block b.
 */
export const Q5_K: Encoding = {
  name: 'Q5_K',
  blockSize: 256,
  blockBytes: 176,
  dequantize(bytes, weights) {
    for (let at = 0, out = 0; out < weights.length; at += 176, out += 256) {
      const d = readHalf(bytes, at);
      const dmin = readHalf(bytes, at + 2);
      for (let block = 0; block < 8; block++) {
        const scale = d * subBlockScale(bytes, at + 4, block);
        const minimum = dmin * subBlockMinimum(bytes, at + 4, block);
        const qh = at + 16;
        const qs = at + 48 + (block >> 1) * 32;
        const shift = (block & 1) * 4;
        const first = out + block * 32;
        for (let i = 0; i < 32; i++) {
          const q = ((bytes[qs + i]! >> shift) & 15) | (((bytes[qh + i]! >> block) & 1) << 4);
          weights[first + i] = scale * q - minimum;
        }
      }
    }
  },
};
