import fc from 'fast-check';
import { Rotation } from '../../../../services/lib/model/quantize/rotation.js';

const sizes = fc.integer({ min: 1, max: 200 });

test('is orthogonal at any size: it changes neither lengths nor angles', () => {
  fc.assert(
    fc.property(sizes, (size) => {
      const q = new Rotation(size).matrix();
      let worst = 0;
      for (let a = 0; a < size; a++) {
        for (let b = 0; b <= a; b++) {
          let product = 0;
          for (let i = 0; i < size; i++) product += q[a * size + i]! * q[b * size + i]!;
          worst = Math.max(worst, Math.abs(product - (a === b ? 1 : 0)));
        }
      }
      expect(worst).toBeLessThan(5e-6);
    }),
    { numRuns: 20 },
  );
});

test.each([64, 576, 45])('spreads one large value over all %i', (size) => {
  const values = new Float32Array(size);
  values[size - 1] = 1;
  new Rotation(size).apply(values);
  expect(Math.max(...values.map(Math.abs))).toBeLessThan(4 / Math.sqrt(size));
});

test('rotating a matrix by its outputs and its input by nothing gives rotated results', () => {
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 5 }), (size, columns) => {
      const rotation = new Rotation(size);
      const matrix = Float32Array.from({ length: size * columns }, (_, i) => Math.sin(i));
      const column = matrix.filter((_, i) => i % columns === columns - 1);
      rotation.applyToOutputs(matrix, columns);
      rotation.apply(column);
      expect(matrix.filter((_, i) => i % columns === columns - 1)).toEqual(column);
    }),
  );
});
