import fc from 'fast-check';
import {
  DraftIndex,
  LONGEST_MATCH,
  SHORTEST_MATCH,
} from '../../../../services/gateway/speculation/draft-index.js';

/** Looks at every earlier place, the most recent first. */
function plainMatch(tokens: readonly number[]): { length: number; next: number } | null {
  let best: { length: number; next: number } | null = null;
  for (let next = tokens.length - 1; next >= SHORTEST_MATCH; next--) {
    let length = 0;
    while (length < LONGEST_MATCH && length < next && tokens[next - 1 - length] === tokens.at(-1 - length)) {
      length++;
    }
    if (length >= SHORTEST_MATCH && length > (best?.length ?? 0)) best = { length, next };
  }
  return best;
}

function indexOf(tokens: readonly number[], maxLength = tokens.length): DraftIndex {
  const index = new DraftIndex(maxLength);
  for (const token of tokens) index.add(token);
  return index;
}

describe('the draft index', () => {
  it('finds the most recent of the longest matches at every length of the text', () => {
    // Few enough places of one pair that all of them are compared.
    const anyText = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 40 });
    fc.assert(
      fc.property(anyText, (tokens) => {
        const index = new DraftIndex(tokens.length);
        for (const [position, token] of tokens.entries()) {
          index.add(token);
          expect(index.find()).toEqual(plainMatch(tokens.slice(0, position + 1)));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('forgets the beginning of what is longer than it keeps', () => {
    const capacity = 12;
    const anyText = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 60 });
    fc.assert(
      fc.property(anyText, (tokens) => {
        const index = indexOf(tokens, capacity);
        const kept = tokens.slice(-capacity);
        const forgotten = tokens.length - kept.length;
        const expected = plainMatch(kept);
        expect(index.find()).toEqual(expected && { ...expected, next: expected.next + forgotten });
        expect(index.from(0)).toEqual(kept);
        expect(index.length).toBe(tokens.length);
      }),
      { numRuns: 1_000 },
    );
  });

  it('finds how another text would go on', () => {
    const index = indexOf([1, 2, 3, 4, 5, 6, 7]);
    const match = index.find(indexOf([9, 3, 4]))!;
    expect(match).toEqual({ length: 2, next: 4 });
    expect(index.following(match, 2)).toEqual([5, 6]);
    expect(index.find(indexOf([9, 6, 7]))).toBeNull(); // Nothing has followed it.
    expect(index.find(indexOf([4]))).toBeNull();
  });

  it('tells what followed', () => {
    const index = indexOf([1, 2, 3, 4, 5, 6, 1, 2, 3]);
    const match = index.find()!;
    expect(match).toEqual({ length: 3, next: 3 });
    expect(index.following(match, 2)).toEqual([4, 5]);
  });

  it('goes on with a text that repeats itself beyond its end', () => {
    const index = indexOf([9, 1, 2, 1, 2, 1, 2]);
    expect(index.following(index.find()!, 5)).toEqual([1, 2, 1, 2, 1]);
    const stuck = indexOf([9, 7, 7, 7]);
    expect(stuck.following(stuck.find()!, 3)).toEqual([7, 7, 7]);
  });

  it('finds nothing in what never repeats, nor in no text at all', () => {
    expect(indexOf([1, 2, 3, 4, 5]).find()).toBeNull();
    expect(new DraftIndex(0).find()).toBeNull();
  });

  it('compares a bounded number of places, however often a pair comes', () => {
    // The one place where three tokens agree is too far back among those of the pair.
    const tokens = [
      5,
      1,
      2,
      ...Array.from({ length: 40 }, (_, index) => [100 + index, 1, 2]).flat(),
      5,
      1,
      2,
    ];
    expect(indexOf(tokens).find()).toEqual({ length: 2, next: tokens.length - 3 });
  });
});
