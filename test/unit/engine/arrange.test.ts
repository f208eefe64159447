import fc from 'fast-check';
import { contiguous } from '../../../services/lib/engine/kv/arrange.js';

const choice = fc.integer({ min: 1, max: 40 }).chain((used) =>
  fc.record({
    used: fc.constant(used),
    slots: fc.uniqueArray(fc.integer({ min: 0, max: used - 1 }), { minLength: 1 }),
  }),
);

test('the exchanges bring the chosen slots, and only them, into one window', () => {
  fc.assert(
    fc.property(choice, ({ slots, used }) => {
      const { first, swaps } = contiguous(slots, used);
      const owners = Array.from({ length: used }, (_, slot) => slot);
      for (const [a, b] of swaps) [owners[a], owners[b]] = [owners[b]!, owners[a]!];
      const byNumber = (a: number, b: number): number => a - b;
      expect(owners.slice(first, first + slots.length).sort(byNumber)).toEqual(slots.toSorted(byNumber));
    }),
  );
});

test('neighbours are left where they are', () => {
  expect(contiguous([4, 2, 3], 9)).toEqual({ first: 2, swaps: [] });
});

test('the window with the fewest exchanges is taken', () => {
  expect(contiguous([0, 5, 6, 7], 9).swaps).toHaveLength(1);
});
