import fc from 'fast-check';
import { type KvBatch, KvCache } from '../../../services/lib/engine/kv/kv-cache.js';
import { thrownBy } from '../../support/thrown-by.js';

const SHAPE = { planes: 2, kvHeads: 2, headDim: 3 };
const CAPACITY = 1500;

/** A row is known by one number, which differs for each token, plane and head. */
const rowOf = (token: number, plane: number, head: number): number => token * 4 + plane * 2 + head;

/** What a run would return for a batch whose members' new tokens are the last of `tokens`. */
function newRows({ members, count }: KvBatch, tokens: ReadonlyMap<string, readonly number[]>): Float32Array {
  const rows: number[] = [];
  for (let plane = 0; plane < SHAPE.planes; plane++) {
    for (const { sequence } of members) {
      for (let head = 0; head < SHAPE.kvHeads; head++) {
        for (const token of tokens.get(sequence)!.slice(-count)) {
          rows.push(...new Array<number>(SHAPE.headDim).fill(rowOf(token, plane, head)));
        }
      }
    }
  }
  return Float32Array.from(rows);
}

/** Whether the slots of a batch hold just what their sequences have cached. */
function expectContents(batch: KvBatch, tokens: ReadonlyMap<string, readonly number[]>): void {
  const { arena, firstSlot, members } = batch;
  for (let plane = 0; plane < SHAPE.planes; plane++) {
    const view = arena.view(plane, firstSlot, members.length);
    for (const [index, { sequence, length }] of members.entries()) {
      for (let head = 0; head < SHAPE.kvHeads; head++) {
        const start = (index * SHAPE.kvHeads + head) * arena.bucket * SHAPE.headDim;
        const found = [...view.subarray(start, start + length * SHAPE.headDim)];
        const expected = tokens
          .get(sequence)!
          .slice(0, length)
          .flatMap((token) => new Array<number>(SHAPE.headDim).fill(rowOf(token, plane, head)));
        expect(found).toEqual(expected);
      }
    }
  }
}

const sequence = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
const action = fc.oneof(
  fc.record({ type: fc.constant('open' as const), sequence, maxLength: fc.integer({ min: 1, max: 600 }) }),
  fc.record({ type: fc.constant('close' as const), sequence }),
  fc.record({
    type: fc.constant('step' as const),
    counts: fc.dictionary(sequence, fc.oneof(fc.constant(1), fc.integer({ min: 2, max: 150 }))),
    succeeds: fc.boolean(),
  }),
);

test('however sequences come, grow, move and go, each keeps its own rows', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
      const cache = new KvCache(SHAPE, CAPACITY);
      const cached = new Map<string, number[]>();
      const reserved = new Map<string, number>();
      let nextToken = 1;
      for (const step of actions) {
        const used = [...reserved.values()].reduce((a, b) => a + b, 0);
        if (step.type === 'open' && !reserved.has(step.sequence)) {
          if (used + step.maxLength > CAPACITY) {
            const error = await thrownBy(() => cache.open(step.sequence, step.maxLength));
            expect(error.code).toBe('kv_exhausted');
          } else {
            cache.open(step.sequence, step.maxLength);
            reserved.set(step.sequence, step.maxLength);
            cached.set(step.sequence, []);
          }
        } else if (step.type === 'close') {
          cache.close(step.sequence);
          reserved.delete(step.sequence);
          cached.delete(step.sequence);
        } else if (step.type === 'step') {
          const extensions = Object.entries(step.counts)
            .filter(([id, count]) => (cached.get(id)?.length ?? Infinity) + count <= (reserved.get(id) ?? 0))
            .map(([id, count]) => ({ sequence: id, count }));
          const batches = cache.arrange(extensions);
          expect(batches.flatMap(({ members }) => members.map((member) => member.sequence)).sort()).toEqual(
            extensions.map((extension) => extension.sequence).sort(),
          );
          for (const batch of batches) expectContents(batch, cached);
          if (step.succeeds) {
            for (const extension of extensions) {
              for (let i = 0; i < extension.count; i++) cached.get(extension.sequence)!.push(nextToken++);
            }
            for (const batch of batches) cache.append(batch, newRows(batch, cached));
          }
        }
        expect(cache.usage.used).toBe([...reserved.values()].reduce((a, b) => a + b, 0));
        for (const [id, tokens] of cached) expect(cache.length(id)).toBe(tokens.length);
      }
    }),
    { numRuns: 150 },
  );
});

test('single tokens of one bucket are one batch, and a steady set is not moved again', () => {
  const cache = new KvCache(SHAPE, CAPACITY);
  for (const id of ['a', 'b', 'c', 'd', 'e']) cache.open(id, 10);
  const set = ['a', 'c', 'e'].map((id) => ({ sequence: id, count: 1 }));
  const [first, ...others] = cache.arrange(set);
  expect(others).toEqual([]);
  expect(cache.arrange(set)).toEqual([first]);
});

test('what is refused is an error with a code', async () => {
  const cache = new KvCache(SHAPE, CAPACITY);
  cache.open('a', 10);
  expect((await thrownBy(() => cache.open('a', 10))).code).toBe('invalid_frame');
  expect((await thrownBy(() => cache.arrange([{ sequence: 'b', count: 1 }]))).code).toBe('invalid_frame');
});
