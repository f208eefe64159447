import fc from 'fast-check';
import { groupByPadding } from '../../../services/lib/engine/kv/arrange.js';
import { type KvBatch, KvCache } from '../../../services/lib/engine/kv/kv-cache.js';
import {
  int8Layout,
  plainLayout,
  type CacheValues,
  type KvLayout,
} from '../../../services/lib/engine/kv/kv-layout.js';
import { cachedRows } from '../../support/model/cached-rows.js';
import { thrownBy } from '../../support/thrown-by.js';

const SHAPE = { planes: 2, kvHeads: 2, headDim: 3 };
const CAPACITY = 1500;

/** A row is known by one number, which differs for each token, plane and head; its values are multiples of it. */
const rowOf = (token: number, plane: number, head: number): number => token * 4 + plane * 2 + head;

/** What a run returns in the rows that pad a member. */
const PADDING = -1;

const MULTIPLES = Array.from({ length: SHAPE.headDim }, (_, index) => index + 1);

/** What a run would return for a batch whose members' new tokens are the last of `tokens`. */
function newRows(
  { members, count }: KvBatch,
  { precision }: KvLayout,
  tokens: ReadonlyMap<string, readonly number[]>,
): CacheValues[] {
  const rows: number[] = [];
  for (let plane = 0; plane < SHAPE.planes; plane++) {
    for (const member of members) {
      for (let head = 0; head < SHAPE.kvHeads; head++) {
        for (const token of tokens.get(member.sequence)!.slice(-member.count)) {
          rows.push(rowOf(token, plane, head));
        }
        rows.push(...new Array<number>(count - member.count).fill(PADDING));
      }
    }
  }
  if (precision === 'f32') return [Float32Array.from(rows.flatMap((row) => MULTIPLES.map((m) => m * row)))];
  return [Int8Array.from(rows.flatMap(() => MULTIPLES)), Float32Array.from(rows)];
}

/** Whether the slots of a batch hold just what their sequences have cached. */
function expectContents(
  batch: KvBatch,
  layout: KvLayout,
  tokens: ReadonlyMap<string, readonly number[]>,
): void {
  for (let plane = 0; plane < SHAPE.planes; plane++) {
    for (const [member, { sequence, position: length }] of batch.members.entries()) {
      for (let head = 0; head < SHAPE.kvHeads; head++) {
        const found = cachedRows(batch, layout, { plane, member, head, length });
        const expected = tokens
          .get(sequence)!
          .slice(0, length)
          .flatMap((token) => MULTIPLES.map((multiple) => multiple * rowOf(token, plane, head)));
        expect(found).toEqual(expected);
      }
    }
  }
}

const sequence = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
const action = fc.oneof(
  fc.record({ type: fc.constant('open' as const), sequence }),
  fc.record({ type: fc.constant('close' as const), sequence }),
  fc.record({
    type: fc.constant('step' as const),
    counts: fc.dictionary(
      sequence,
      fc.oneof(fc.constant(1), fc.integer({ min: 2, max: 6 }), fc.integer({ min: 2, max: 150 })),
    ),
    /** Tokens of each sequence that are dropped first, if it has so many. */
    dropped: fc.nat(5),
    succeeds: fc.boolean(),
  }),
);

test.each([plainLayout(SHAPE), int8Layout(SHAPE)])(
  'however sequences come, grow, move and go, each keeps its own rows, in $precision',
  async (layout) => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const cache = new KvCache(layout, CAPACITY);
        const cached = new Map<string, number[]>();
        const used = (): number => [...cached.values()].reduce((sum, { length }) => sum + length, 0);
        let nextToken = 1;
        for (const step of actions) {
          if (step.type === 'open' && !cached.has(step.sequence)) {
            cache.open(step.sequence, CAPACITY);
            cached.set(step.sequence, []);
          } else if (step.type === 'close') {
            cache.close(step.sequence);
            cached.delete(step.sequence);
          } else if (step.type === 'step') {
            for (const [id, tokens] of cached) {
              tokens.splice(Math.max(0, tokens.length - step.dropped));
              cache.rewind(id, tokens.length);
            }
            const extensions = Object.entries(step.counts)
              .filter(([id]) => cached.has(id))
              .map(([id, count]) => ({ sequence: id, position: cached.get(id)!.length, count }));
            if (used() + extensions.reduce((sum, { count }) => sum + count, 0) > CAPACITY) {
              expect((await thrownBy(() => cache.requireRoom(extensions))).code).toBe('kv_exhausted');
              continue;
            }
            cache.requireRoom(extensions);
            const batches: KvBatch[] = [];
            for (const batch of cache.arrange(extensions)) {
              expectContents(batch, layout, cached);
              batches.push(batch);
            }
            const arranged = batches.flatMap(({ members }) => members);
            expect(arranged.map(({ sequence, count }) => [sequence, count]).sort()).toEqual(
              extensions.map((extension) => [extension.sequence, extension.count]).sort(),
            );
            if (step.succeeds) {
              for (const extension of extensions) {
                for (let i = 0; i < extension.count; i++) cached.get(extension.sequence)!.push(nextToken++);
              }
              for (const batch of batches) cache.append(batch, newRows(batch, layout, cached));
            }
          }
          expect(cache.usage.used).toBe(used());
          for (const [id, tokens] of cached) expect(cache.length(id)).toBe(tokens.length);
        }
      }),
      { numRuns: 150 },
    );
  },
);

test.each([plainLayout(SHAPE), int8Layout(SHAPE)])(
  'sequences that are brought together, or fill a gap, keep their rows, in $precision',
  (layout) => {
    const cache = new KvCache(layout, CAPACITY);
    const cached = new Map(['a', 'b', 'c', 'd'].map((id, index) => [id, [4 * index + 1, 4 * index + 2]]));
    const extend = (ids: readonly string[]): KvBatch[] => [
      ...cache.arrange(ids.map((sequence) => ({ sequence, position: cache.length(sequence)!, count: 2 }))),
    ];
    const check = (ids: readonly string[]): void => {
      for (const batch of extend(ids)) expectContents(batch, layout, cached);
    };
    for (const id of cached.keys()) cache.open(id, 60);
    for (const batch of extend([...cached.keys()])) cache.append(batch, newRows(batch, layout, cached));
    check(['a', 'd']);
    check(['b', 'c']);
    cache.close('b');
    check(['a', 'c', 'd']);
  },
);

test('single tokens of one bucket are one batch, and a steady set is not moved again', () => {
  const cache = new KvCache(plainLayout(SHAPE), CAPACITY);
  for (const id of ['a', 'b', 'c', 'd', 'e']) cache.open(id, 10);
  const set = ['a', 'c', 'e'].map((id) => ({ sequence: id, position: 0, count: 1 }));
  const [first, ...others] = cache.arrange(set);
  expect(others).toEqual([]);
  expect([...cache.arrange(set)]).toEqual([first]);
});

test('short extensions of one bucket share a batch while padding is cheaper than another', () => {
  const counts = (extensions: readonly number[]): number[][] => {
    const cache = new KvCache(plainLayout(SHAPE), CAPACITY);
    const set = extensions.map((count, index) => ({ sequence: `s${index}`, position: 0, count }));
    for (const { sequence } of set) cache.open(sequence, 60);
    return [...cache.arrange(set)].map(({ members }) =>
      members.map(({ count }) => count).sort((a, b) => a - b),
    );
  };
  expect(counts([1, 1, 1])).toEqual([[1, 1, 1]]);
  expect(counts([4, 2, 4, 3])).toEqual([[2, 3, 4, 4]]);
  expect(counts([5, 1, 1])).toEqual([[1, 1, 5]]);
  // Padding as dear as the run that it saves, then one more.
  expect(counts([9, 1, 1, 1, 1])).toHaveLength(1);
  expect(counts([9, 1, 1, 1, 1, 1])).toEqual([[9], [1, 1, 1, 1, 1]]);
  expect(counts([16, ...new Array<number>(15).fill(1)])).toEqual([[16], new Array<number>(15).fill(1)]);
  expect(counts([17, 17, 1])).toEqual([[1], [17], [17]]);
});

test('padding costs no more than the runs that it saves, and loses no member', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 16 }), { maxLength: 40 }), (counts) => {
      const groups = groupByPadding(counts.map((count) => ({ count })));
      const found = groups.map((group) => group.map(({ count }) => count));
      for (const group of found) {
        const longest = Math.max(...group);
        const padding = group.reduce((sum, count) => sum + longest - count, 0);
        expect(padding).toBeLessThanOrEqual(32 * (new Set(group).size - 1));
      }
      expect(found.flat().sort((a, b) => a - b)).toEqual(counts.toSorted((a, b) => a - b));
    }),
  );
});

test('what is refused is an error with a code', async () => {
  const cache = new KvCache(plainLayout(SHAPE), CAPACITY);
  cache.open('a', 10);
  expect((await thrownBy(() => cache.open('a', 10))).code).toBe('invalid_frame');
  expect((await thrownBy(() => [...cache.arrange([{ sequence: 'b', position: 0, count: 1 }])])).code).toBe(
    'invalid_frame',
  );
});

test('a sequence that leaves what is no number behind harms none that comes after it', () => {
  const cache = new KvCache(plainLayout(SHAPE), CAPACITY);
  cache.open('stays', CAPACITY);
  for (const { position, sequence, count } of [
    { sequence: 'bad', position: 0, count: 40 },
    { sequence: 'bad', position: 40, count: 60 }, // Into the next arena, which it shares with none.
  ]) {
    if (position === 0) cache.open(sequence, CAPACITY);
    for (const batch of cache.arrange([{ sequence, position, count }])) {
      const { heads, width } = plainLayout(SHAPE).keys[0]!;
      const rows = new Float32Array(SHAPE.planes * heads * count * width).fill(NaN);
      cache.append(batch, [rows]);
    }
  }
  cache.close('bad');
  cache.open('next', CAPACITY);
  for (const batch of cache.arrange([{ sequence: 'next', position: 0, count: 1 }])) {
    const { arena, firstSlot } = batch;
    for (let plane = 0; plane < SHAPE.planes; plane++)
      for (const values of arena.view(plane, firstSlot, 1)) expect(values.every(Number.isFinite)).toBe(true);
  }
});
