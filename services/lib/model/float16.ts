const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The bits of the nearest IEEE 754 binary16, ties to even; what is too large becomes infinite. */
export function toHalf(value: number): number {
  float[0] = value;
  const sign = (bits[0]! >>> 16) & 0x8000;
  const magnitude = Math.abs(float[0]);
  if (Number.isNaN(magnitude)) return 0x7e00;
  // Below 2^-14 halves are multiples of 2^-24; above, a float keeps 13 more bits of fraction than a half.
  if (magnitude < 2 ** -14) return sign | roundToEven(magnitude * 2 ** 24);
  const word = bits[0]! & 0x7fffffff;
  const rounded = (word + 0xfff + ((word >>> 13) & 1)) >>> 13;
  return sign | Math.min(rounded - (112 << 10), 0x7c00);
}

export function toHalves(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) halves[i] = toHalf(values[i]!);
  return halves;
}

function roundToEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
}

/** IEEE 754 binary16 to float32 by its 16 bits: 256 KiB once, instead of bit arithmetic per weight. */
export const halfToFloat: Float32Array = Float32Array.from({ length: 1 << 16 }, (_, half) => {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
});

/** The little-endian binary16 at `offset`. */
export const readHalf = (bytes: Uint8Array, offset: number): number =>
  halfToFloat[bytes[offset]! | (bytes[offset + 1]! << 8)]!;
