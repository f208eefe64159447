import fc from 'fast-check';
import { KvCache } from '../../../services/lib/engine/kv/kv-cache.js';
import { plainLayout } from '../../../services/lib/engine/kv/kv-layout.js';
import type { Engine, Precision } from '../../../services/lib/engine/types.js';
import { PREFIX_BLOCK, prefixBlocks } from '../../../services/lib/model/prefix-blocks.js';
import { cachedRows } from '../../support/model/cached-rows.js';
import { largestDifference, stepThrough } from '../../support/model/engine-steps.js';
import { smallModels } from '../../support/model/engines.js';
import { randomTokens } from '../../support/model/random-checkpoint.js';
import { thrownBy } from '../../support/thrown-by.js';

describe('the KV cache', () => {
  const SHAPE = { planes: 2, kvHeads: 2, headDim: 1 };
  const LAYOUT = plainLayout(SHAPE);
  const BLOCK_BYTES = SHAPE.planes * SHAPE.kvHeads * PREFIX_BLOCK * 4;
  const rowsOf = (tokens: readonly number[]): [Float32Array] => [
    Float32Array.from([0, 1, 2, 3].flatMap((part) => tokens.map((token) => 4 * token + part))),
  ];

  /** A sequence of three sorts of blocks, so that many begin alike, and a rest. */
  const sequence = fc
    .record({ blocks: fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 6 }), rest: fc.nat(40) })
    .map(({ blocks, rest }) => [
      ...blocks.flatMap((sort) => randomTokens(PREFIX_BLOCK, sort)),
      ...randomTokens(rest + 1, 9),
    ]);

  test('starts a sequence with its own rows, however much of it is still there', () => {
    fc.assert(
      fc.property(fc.array(sequence, { maxLength: 20 }), fc.nat(8), (sequences, blocks) => {
        const cache = new KvCache(LAYOUT, 1_000, blocks * BLOCK_BYTES);
        for (const tokens of sequences) {
          const cached = cache.open('s', tokens.length, prefixBlocks(tokens));
          expect(cached).toBeLessThanOrEqual(blocks * PREFIX_BLOCK);
          expect(cache.length('s')).toBe(cached);
          if (cached < tokens.length) {
            for (const batch of cache.arrange([
              { sequence: 's', position: cached, count: tokens.length - cached },
            ]))
              cache.append(batch, rowsOf(tokens.slice(cached)));
          }
          cache.rewind('s', tokens.length - 1);
          const [batch] = cache.arrange([{ sequence: 's', position: tokens.length - 1, count: 1 }]);
          const [expected] = rowsOf(tokens);
          for (let plane = 0; plane < SHAPE.planes; plane++) {
            for (let head = 0; head < SHAPE.kvHeads; head++) {
              const start = (2 * plane + head) * tokens.length;
              const place = { plane, member: 0, head, length: tokens.length };
              expect(cachedRows(batch!, LAYOUT, place)).toEqual([
                ...expected.subarray(start, start + tokens.length),
              ]);
            }
          }
          cache.close('s', prefixBlocks(tokens.slice(0, -1)));
          expect(cache.usage.used).toBe(0);
        }
      }),
    );
  });

  test('keeps what a sequence has, and reuses no more than it reserves', () => {
    const cache = new KvCache(LAYOUT, 1_000, 8 * BLOCK_BYTES);
    const tokens = randomTokens(3 * PREFIX_BLOCK);
    const names = prefixBlocks(tokens);
    cache.open('short', 100);
    for (const batch of cache.arrange([{ sequence: 'short', position: 0, count: 70 }]))
      cache.append(batch, rowsOf(tokens.slice(0, 70)));
    cache.close('short', names);
    expect(cache.open('next', 100, names)).toBe(2 * PREFIX_BLOCK);
    expect(cache.open('small', PREFIX_BLOCK + 1, names)).toBe(PREFIX_BLOCK);
  });

  test('begins with no more of them than there is room for', () => {
    const cache = new KvCache(LAYOUT, 3 * PREFIX_BLOCK, 8 * BLOCK_BYTES);
    const tokens = randomTokens(2 * PREFIX_BLOCK);
    const names = prefixBlocks(tokens);
    cache.open('first', 100);
    for (const batch of cache.arrange([{ sequence: 'first', position: 0, count: tokens.length }]))
      cache.append(batch, rowsOf(tokens));
    cache.close('first', names);
    expect(cache.open('whole', 100, names)).toBe(2 * PREFIX_BLOCK);
    expect(cache.open('half', 100, names)).toBe(PREFIX_BLOCK);
    expect(cache.open('none', 100, names)).toBe(0);
    expect(cache.usage.used).toBe(3 * PREFIX_BLOCK);
  });

  test('what is kept never keeps a sequence out', async () => {
    const cache = new KvCache(LAYOUT, 100, 1_000 * BLOCK_BYTES);
    for (let round = 0; round < 5; round++) {
      cache.open('s', 100);
      for (const batch of cache.arrange([{ sequence: 's', position: 0, count: 100 }]))
        cache.append(batch, rowsOf(randomTokens(100, round)));
      cache.open('t', 1);
      expect((await thrownBy(() => cache.requireRoom([{ count: 1 }]))).code).toBe('kv_exhausted');
      cache.close('t');
      cache.close('s', prefixBlocks(randomTokens(100, round)));
      expect(cache.usage.used).toBe(0);
    }
  });
});

describe('an engine that has a prompt cached', () => {
  const openModel = smallModels();
  const shared = randomTokens(100);
  const LENGTH = 200;

  /** Computes a sequence but for what its stages have of it; the logits of its last token, and what they had. */
  async function run(
    stages: readonly Engine[],
    tokens: readonly number[],
  ): Promise<{ logits: Float32Array; cached: number[] }> {
    const prefix = prefixBlocks(tokens.slice(0, -1));
    const cached = stages.map((engine) => engine.open('s', LENGTH, prefix));
    const position = Math.min(...cached);
    const [logits] = await stepThrough(stages, [{ sequence: 's', position, tokens: tokens.slice(position) }]);
    for (const engine of stages) engine.close('s', prefixBlocks(tokens));
    return { logits: logits!, cached };
  }

  test.each<[Precision, number]>([
    ['f32', 1e-5],
    // What was computed with the prompt met its rows before they were rounded to 8 bits.
    ['int8', 0.2],
  ])('computes the same from there on, in %s', async (precision, tolerance) => {
    const { stages } = await openModel({ precision, split: [3], prefixBytes: 1 << 20 });
    const plain = await openModel({ precision, split: [3] });
    for (const [index, tail] of [5, 60, 1].entries()) {
      const tokens = [...shared, ...randomTokens(tail, index + 5)];
      const expected = await run(plain.stages, tokens);
      const found = await run(stages, tokens);
      expect(expected.cached).toEqual([0, 0]);
      expect(found.cached).toEqual(index === 0 ? [0, 0] : [96, 96]);
      expect(largestDifference(found.logits, expected.logits)).toBeLessThan(tolerance);
    }
    // A conversation goes on: what is cached now is the whole of the last request's prompt and answer.
    const longer = [...shared, ...randomTokens(60, 6), ...randomTokens(10, 20)];
    expect((await run(stages, longer)).cached).toEqual([160, 160]);
  });

  test('goes on where the stage that has the least of it ends', async () => {
    // Room for two blocks of three layers, and for three blocks of two.
    const { stages, reference } = await openModel({ split: [3], prefixBytes: 25_000 });
    await run(stages, [...shared, 1]);
    const tokens = [...shared, 2, 3];
    const { logits, cached } = await run(stages, tokens);
    expect(cached).toEqual([64, 96]);
    const expected = await run([reference], tokens);
    expect(largestDifference(logits, expected.logits)).toBeLessThan(1e-4);
  });
});
