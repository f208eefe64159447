import type { Encoding } from './encoding.js';
import { readHalf } from './half.js';

/** IEEE 754 binary16. */
export const F16: Encoding = {
  name: 'F16',
  blockSize: 1,
  blockBytes: 2,
  dequantize(bytes, weights) {
    for (let i = 0; i < weights.length; i++) weights[i] = readHalf(bytes, 2 * i);
  },
};
