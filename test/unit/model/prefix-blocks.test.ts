import fc from 'fast-check';
import { PREFIX_BLOCK, prefixBlocks } from '../../../services/lib/model/prefix-blocks.js';

const tokens = fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 5 * PREFIX_BLOCK });

/** Sequences that often begin alike. */
const relatives = fc.record({ shared: tokens, one: tokens, other: tokens }).map(
  ({ shared, one, other }) =>
    [
      [...shared, ...one],
      [...shared, ...other],
    ] as const,
);

function commonLength(a: readonly number[], b: readonly number[]): number {
  const shorter = Math.min(a.length, b.length);
  for (let index = 0; index < shorter; index++) if (a[index] !== b[index]) return index;
  return shorter;
}

describe('the names of prefix blocks', () => {
  it('are shared by two sequences as far as their whole blocks are the same', () => {
    fc.assert(
      fc.property(relatives, ([one, other]) => {
        const [names, others] = [prefixBlocks(one), prefixBlocks(other)];
        const shared = Math.floor(commonLength(one, other) / PREFIX_BLOCK);
        expect(names.slice(0, shared)).toEqual(others.slice(0, shared));
        expect(names.slice(shared).filter((name) => others.includes(name))).toEqual([]);
      }),
    );
  });

  it('number the whole blocks, and differ by position', () => {
    const names = prefixBlocks(new Array<number>(3 * PREFIX_BLOCK + PREFIX_BLOCK - 1).fill(7));
    expect(new Set(names).size).toBe(3);
    expect(prefixBlocks([1, 2, 3])).toEqual([]);
  });

  it('go on from those that are known', () => {
    fc.assert(
      fc.property(tokens, fc.nat(), (sequence, cut) => {
        const known = prefixBlocks(sequence.slice(0, cut % (sequence.length + 1)));
        expect(prefixBlocks(sequence, { known })).toEqual(prefixBlocks(sequence));
        expect(prefixBlocks(sequence.slice(0, PREFIX_BLOCK), { known: prefixBlocks(sequence) })).toEqual(
          prefixBlocks(sequence.slice(0, PREFIX_BLOCK)),
        );
      }),
    );
  });
});
