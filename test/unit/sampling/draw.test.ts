import fc from 'fast-check';
import { selectTop } from '../../../services/lib/sampling/draw.js';

describe('selecting the top', () => {
  test('is the head of a sort, in the order given', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 1, max: 90 }),
        (values, count) => {
          const logits = Float32Array.from(values);
          const ids = Int32Array.from(values.keys());
          const head = [...ids].sort((a, b) => logits[b]! - logits[a]! || a - b).slice(0, count);
          expect([...selectTop(ids, logits, () => 1, count)]).toEqual(head.sort((a, b) => a - b));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('stops at the first id with which the weights reach the target', () => {
    const logits = Float32Array.from([1, 4, 3, 2]);
    const weights = [0.1, 0.4, 0.3, 0.2];
    const top = (target: number): number[] => [
      ...selectTop(Int32Array.of(0, 1, 2, 3), logits, (id) => weights[id]!, target),
    ];
    expect(top(0.4)).toEqual([1]);
    expect(top(0.41)).toEqual([1, 2]);
    expect(top(0.89)).toEqual([1, 2, 3]);
    expect(top(2)).toEqual([0, 1, 2, 3]);
  });
});
