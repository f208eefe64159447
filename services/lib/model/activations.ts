/** How activations are written between stages: `f16` halves what travels, and rounds to 11 bits. */
export const ACTIVATION_TYPES = ['f32', 'f16'] as const;
export type ActivationType = (typeof ACTIVATION_TYPES)[number];

/** Of f16 the bits: JavaScript has no such numbers, and only carries them from one stage's engine to the next. */
export type Activations = Float32Array | Uint16Array;

export const bytesPerActivation: Record<ActivationType, number> = { f32: 4, f16: 2 };

export const newActivations = (type: ActivationType, length: number): Activations =>
  type === 'f32' ? new Float32Array(length) : new Uint16Array(length);

/** A view of bytes that lie on a value's boundary. */
export const viewActivations = (
  type: ActivationType,
  { buffer, byteOffset, byteLength }: Uint8Array,
): Activations =>
  type === 'f32'
    ? new Float32Array(buffer, byteOffset, byteLength / 4)
    : new Uint16Array(buffer, byteOffset, byteLength / 2);

/** Exponent bits of an f16: all of them are set in what is infinite or no number. */
const F16_EXPONENT = 0x7c00;

/** Whether all values are finite. */
export function areNumbers(values: Activations): boolean {
  // Every row passes here on an event loop, where `every` and `for … of` take ten and five times as long.
  if (values instanceof Float32Array) {
    let zero = 0;
    for (let index = 0; index < values.length; index++) zero += values[index]! * 0;
    return zero === 0;
  }
  for (let index = 0; index < values.length; index++)
    if ((values[index]! & F16_EXPONENT) === F16_EXPONENT) return false;
  return true;
}

/** Arrays of the same type, one after the other; at least one. */
export function joinActivations(parts: readonly Activations[]): Activations {
  const type = parts[0]!.BYTES_PER_ELEMENT === bytesPerActivation.f32 ? 'f32' : 'f16';
  const joined = newActivations(
    type,
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
