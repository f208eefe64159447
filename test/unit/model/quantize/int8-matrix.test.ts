import fc from 'fast-check';
import { Int8Matrix } from '../../../../services/lib/model/quantize/int8-matrix.js';

/** Below it a scale is a subnormal float, with few digits left: no model has such weights. */
const LEAST = 1e-30;

test.each([7, 8] as const)(
  '%i bits are off by half a step at most, and the largest weight by nothing',
  (bits) => {
    const weights = fc.array(
      fc.array(
        fc
          .float({ min: -4, max: 4, noNaN: true, noDefaultInfinity: true })
          .map((weight) => (Math.abs(weight) < LEAST ? 0 : weight)),
        { minLength: 6, maxLength: 6 },
      ),
      { minLength: 2, maxLength: 9 },
    );
    fc.assert(
      fc.property(weights, (rows) => {
        const matrix = new Int8Matrix(6, rows.length, bits);
        matrix.setChannels(0, Float32Array.from(rows.slice(0, 1).flat()));
        matrix.setChannels(1, Float32Array.from(rows.slice(1).flat()));
        for (const [channel, row] of rows.entries()) {
          const step = matrix.scales[channel]!;
          expect(step).toBeCloseTo(Math.max(...row.map(Math.abs)) / (bits === 8 ? 127 : 63), 6);
          for (const [input, weight] of row.entries()) {
            const restored = matrix.values[input * rows.length + channel]! * step;
            expect(Math.abs(restored - weight)).toBeLessThanOrEqual(step * 0.501);
          }
        }
      }),
    );
  },
);
