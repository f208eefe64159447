import { CacheFeeds } from '../../../services/lib/engine/cache-feeds.js';
import { type KvBatch, KvCache } from '../../../services/lib/engine/kv/kv-cache.js';
import {
  int8Layout,
  plainLayout,
  type CacheValues,
  type KvLayout,
} from '../../../services/lib/engine/kv/kv-layout.js';

const SHAPE = { planes: 4, kvHeads: 2, headDim: 3 };
const RANGE = { start: 5, end: 7, layers: 9 };
const BUCKET = 64;
const KEY = 'layer.6.past_key';

/** What a run would return: rows of sevens. */
function sevens({ precision }: KvLayout, { members, count }: KvBatch): CacheValues[] {
  const rows = SHAPE.planes * members.length * SHAPE.kvHeads * count;
  if (precision === 'f32') return [new Float32Array(rows * SHAPE.headDim).fill(7)];
  return [new Int8Array(rows * SHAPE.headDim).fill(7), new Float32Array(rows).fill(1)];
}

describe.each([plainLayout(SHAPE), int8Layout(SHAPE)])('the cache of a run, in $precision', (layout) => {
  let cache: KvCache;
  let feeds: CacheFeeds;
  const batchOf = (...sequences: readonly string[]): KvBatch => {
    const items = sequences.map((sequence) => ({ sequence, position: cache.length(sequence)!, count: 1 }));
    return [...cache.arrange(items)][0]!;
  };
  const valuesOf = (given: ReturnType<CacheFeeds['of']>): number[] =>
    Array.from(given[KEY]!.data as Float32Array | Int8Array);

  beforeEach(() => {
    cache = new KvCache(layout, 1_000);
    feeds = new CacheFeeds(RANGE, layout);
    cache.open('a', 500);
  });

  test('has the arrays of each layer, as the arena has them', () => {
    const batch = batchOf('a');
    const given = feeds.of(batch, BUCKET);
    const perLayer = layout.keys.length + layout.values.length;
    expect(Object.keys(given)).toHaveLength(2 * perLayer);
    cache.append(batch, sevens(layout, batch));
    expect(valuesOf(given)).toContain(7);
    expect(valuesOf(given)).toEqual(Array.from(batch.arena.view(2, 0, 1)[0]!));
  });

  test('is the same again while the slots are, with what has been written since', () => {
    const first = batchOf('a');
    const given = feeds.of(first, BUCKET);
    cache.append(first, sevens(layout, first));
    expect(feeds.of(batchOf('a'), BUCKET)).toBe(given);
    // A step between that copies its rows changes nothing.
    const copied = feeds.of(batchOf('a'), 1);
    expect(copied[KEY]!.dims).toEqual(layout.keys[0]!.shape(1, 1));
    expect(valuesOf(copied)).toEqual([7, 7, 7, 7, 7, 7]);
    expect(feeds.of(batchOf('a'), BUCKET)).toBe(given);
  });

  test('is the same again of groups that take turns, until there have been many others', () => {
    for (const sequence of ['b', 'c', 'd', 'e']) cache.open(sequence, 500);
    const first = feeds.of(batchOf('a'), BUCKET);
    const second = feeds.of(batchOf('b'), BUCKET);
    expect(second).not.toBe(first);
    const batch = batchOf('b');
    cache.append(batch, sevens(layout, batch));
    expect(feeds.of(batchOf('a'), BUCKET)).toBe(first);
    expect(feeds.of(batchOf('b'), BUCKET)).toBe(second);
    expect(valuesOf(first)).not.toContain(7);
    expect(valuesOf(second)).toContain(7);
    for (const sequence of ['c', 'd', 'e']) feeds.of(batchOf(sequence), BUCKET);
    expect(feeds.of(batchOf('b'), BUCKET)).toBe(second);
    expect(feeds.of(batchOf('a'), BUCKET)).not.toBe(first);
  });

  test('is another one of other slots, and when the arena has moved', () => {
    const first = batchOf('a');
    const alone = feeds.of(first, BUCKET);
    cache.append(first, sevens(layout, first));
    cache.open('b', 500);
    const moved = feeds.of(batchOf('a'), BUCKET);
    expect(moved).not.toBe(alone);
    expect(valuesOf(moved)).toEqual(valuesOf(alone));
    const other = feeds.of(batchOf('b'), BUCKET);
    expect(valuesOf(other)).not.toContain(7);
    const both = feeds.of(batchOf('a', 'b'), BUCKET);
    expect(both[KEY]!.dims).toEqual(layout.keys[0]!.shape(2, BUCKET));
    cache.close('b');
    cache.close('a');
    cache.open('c', 500);
    expect(valuesOf(feeds.of(batchOf('c'), BUCKET))).not.toContain(7);
  });
});
