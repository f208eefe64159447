/** IEEE 754 binary16 to float32 by its 16 bits: 256 KiB once, instead of bit arithmetic per weight. */
export const halfToFloat: Float32Array = Float32Array.from({ length: 1 << 16 }, (_, bits) => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
});

/** The little-endian binary16 at `offset`. */
export const readHalf = (bytes: Uint8Array, offset: number): number =>
  halfToFloat[bytes[offset]! | (bytes[offset + 1]! << 8)]!;
