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
