import fc from 'fast-check';
import { halfToFloat, toHalf } from '../../../services/lib/model/float16.js';

test('every half survives the way to a float and back', () => {
  const all = Array.from(halfToFloat, (value, bits) => ({ value, bits }));
  expect(all).toHaveLength(1 << 16);
  expect(all.filter(({ value, bits }) => !Number.isNaN(value) && toHalf(value) !== bits)).toEqual([]);
});

test('others become the nearest', () => {
  fc.assert(
    fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (value) => {
      const bits = toHalf(value);
      const error = Math.abs(halfToFloat[bits]! - value);
      for (const neighbour of [bits - 1, bits + 1]) {
        const other = Math.abs((halfToFloat[neighbour & 0xffff] ?? Infinity) - value);
        if (!Number.isNaN(other)) expect(error).toBeLessThanOrEqual(other);
      }
    }),
  );
});

test.each([
  [65520, Infinity],
  [1e9, Infinity],
  [-1e9, -Infinity],
  [1 + 2 ** -11, 1],
  [1 + 3 * 2 ** -11, 1 + 2 ** -9],
  [2 ** -25, 0],
])('%d becomes %d', (value, expected) => {
  expect(halfToFloat[toHalf(value)]).toBe(expected);
});
