import type { Encoding } from './encoding.js';
import { readHalf } from './half.js';

/**
 * `{ ql: u8[128], qh: u8[64], scales: i8[16], d: f16 }`: w = d · scale · (q − 32) in sub-blocks of 16. Each
 * half of the block, 128 weights in four runs of 32, takes 64 bytes of `ql` (runs 0 and 1 in the low
 * nibbles, 2 and 3 in the high ones) and 32 bytes of `qh` (two bits for each run, run 0 lowest).
 */
export const Q6_K: Encoding = {
  name: 'Q6_K',
  blockSize: 256,
  blockBytes: 210,
  dequantize(bytes, weights) {
    const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0, out = 0; out < weights.length; at += 210, out += 256) {
      const d = readHalf(bytes, at + 208);
      for (let run = 0; run < 8; run++) {
        const half = run >> 2;
        const quarter = run & 3;
        const ql = at + half * 64 + (quarter & 1) * 32;
        const qh = at + 128 + half * 32;
        const lowShift = (quarter >> 1) * 4;
        const highShift = quarter * 2;
        const first = out + run * 32;
        const scales = at + 192 + run * 2;
        for (let i = 0; i < 32; i++) {
          const q = ((bytes[ql + i]! >> lowShift) & 15) | (((bytes[qh + i]! >> highShift) & 3) << 4);
          weights[first + i] = d * signed[scales + (i >> 4)]! * (q - 32);
        }
      }
    }
  },
};
