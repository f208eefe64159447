import fc from 'fast-check';
import { areNumbers } from '../../../services/lib/model/activations.js';

/** An f16 whose exponent bits are all set is infinite or no number. */
const isFinite16 = (bits: number): boolean => (bits & 0x7c00) !== 0x7c00;

describe('activations that are numbers', () => {
  it('of f16 are told from others value by value, wherever they lie', () => {
    const bits = fc.oneof(fc.nat(0xffff), fc.constantFrom(0x7c00, 0xfc00, 0x7e01, 0x7bff, 0xfbff));
    fc.assert(
      fc.property(fc.array(bits, { maxLength: 9 }), fc.nat(3), (values, offset) => {
        const memory = new Uint16Array(offset + values.length + 2).fill(0x7c00);
        memory.set(values, offset);
        expect(areNumbers(memory.subarray(offset, offset + values.length))).toBe(values.every(isFinite16));
      }),
      { numRuns: 1_000 },
    );
    for (let value = 0; value <= 0xffff; value++)
      if (areNumbers(Uint16Array.of(0, value)) !== isFinite16(value)) throw new Error(`${value} is mistaken`);
  });

  it('of f32 likewise', () => {
    fc.assert(
      fc.property(fc.array(fc.float(), { maxLength: 9 }), (values) => {
        expect(areNumbers(Float32Array.from(values))).toBe(values.every(Number.isFinite));
      }),
    );
  });
});
