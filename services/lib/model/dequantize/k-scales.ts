/**
 * The 12 bytes at `at` hold eight 6-bit scales and eight 6-bit minimums, one of each per sub-block of 32
 * weights. Those of sub-blocks 0…3 are the low six bits of bytes 0…3 (scales) and 4…7 (minimums); those of
 * 4…7 have their low four bits in bytes 8…11 and their high two bits on top of bytes 0…7.
 */
export const subBlockScale = (bytes: Uint8Array, at: number, block: number): number =>
  block < 4 ? bytes[at + block]! & 63 : (bytes[at + 4 + block]! & 15) | ((bytes[at + block - 4]! >> 6) << 4);

export const subBlockMinimum = (bytes: Uint8Array, at: number, block: number): number =>
  block < 4 ? bytes[at + 4 + block]! & 63 : (bytes[at + 4 + block]! >> 4) | ((bytes[at + block]! >> 6) << 4);
