import fc from 'fast-check';
import { int8Layout } from '../../../services/lib/engine/kv/int8-layout.js';
import { bytesPerToken } from '../../../services/lib/engine/kv/kv-layout.js';
import { plainLayout } from '../../../services/lib/engine/kv/plain-layout.js';

const SHAPE = { planes: 4, kvHeads: 2, headDim: 3 };
const layout = int8Layout(SHAPE);

/** Below, a float32 has too few bits left for a scale. */
const SMALLEST = 1e-30;

const someRows = fc
  .array(
    fc.array(
      fc.float({ noNaN: true, min: -1e6, max: 1e6 }).filter((x) => x === 0 || Math.abs(x) > SMALLEST),
      {
        minLength: SHAPE.kvHeads * SHAPE.headDim,
        maxLength: SHAPE.kvHeads * SHAPE.headDim,
      },
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((rows) => ({ rows: rows.length, values: Float32Array.from(rows.flat()) }));

describe.each([
  ['keys', layout.keys, true],
  ['values', layout.values, false],
])('%s in 8 bits', (_name, plane, areTransposed) => {
  test('are off by at most half a step of their row', () => {
    fc.assert(
      fc.property(someRows, ({ rows, values }) => {
        const [levels, scales] = plane.encode(values);
        for (let head = 0; head < SHAPE.kvHeads; head++) {
          for (let row = 0; row < rows; row++) {
            const scale = scales![head * rows + row]!;
            for (let i = 0; i < SHAPE.headDim; i++) {
              const value = values[(head * rows + row) * SHAPE.headDim + i]!;
              const at = areTransposed
                ? (head * SHAPE.headDim + i) * rows + row
                : (head * rows + row) * SHAPE.headDim + i;
              expect(Math.abs(levels![at]! * scale - value)).toBeLessThanOrEqual(scale * 0.50001);
            }
          }
        }
      }),
    );
  });

  test('are zero where all of a row is', () => {
    const [levels, scales] = plane.encode(new Float32Array(SHAPE.kvHeads * SHAPE.headDim));
    expect([...levels!, ...scales!].every((value) => value === 0)).toBe(true);
  });
});

test('a token takes a byte for each value, and a scale for each row', () => {
  expect(bytesPerToken(plainLayout(SHAPE))).toBe(4 * 2 * 3 * 4);
  expect(bytesPerToken(layout)).toBe(4 * 2 * (3 + 4));
});
