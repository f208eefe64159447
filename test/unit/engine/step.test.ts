import { jest } from '@jest/globals';
import ort from 'onnxruntime-node';
import { argmax } from '../../../services/lib/sampling/logits.js';
import { KvCache } from '../../../services/lib/engine/kv/kv-cache.js';
import type { Engine, Precision, StepInput } from '../../../services/lib/engine/types.js';
import { largestDifference, stepThrough } from '../../support/model/engine-steps.js';
import { smallModels } from '../../support/model/engines.js';
import { randomTokens, smallConfig } from '../../support/model/random-checkpoint.js';
import { thrownBy } from '../../support/thrown-by.js';

const openModel = smallModels();

describe('sequences in one step', () => {
  const DECODED = 4;
  /** Around the bounds of the cache's length buckets. */
  const prompts = [3, 64, 65, 17, 130, 62].map((length, index) => ({
    sequence: `s${index}`,
    tokens: randomTokens(length + DECODED, index),
    length,
  }));

  const parts = (round: number, active: typeof prompts) =>
    active.map(({ sequence, tokens, length }) =>
      round === 0
        ? { sequence, position: 0, tokens: tokens.slice(0, length) }
        : {
            sequence,
            position: length + round - 1,
            tokens: tokens.slice(length + round - 1, length + round),
          },
    );

  async function run(stages: readonly Engine[], active: typeof prompts): Promise<Float32Array[][]> {
    for (const engine of stages) for (const { sequence } of active) engine.open(sequence, 200);
    const rounds: Float32Array[][] = [];
    for (let round = 0; round <= DECODED; round++) {
      rounds.push(await stepThrough(stages, parts(round, active)));
    }
    for (const engine of stages) for (const { sequence } of active) engine.close(sequence);
    return rounds;
  }

  test.each<[Precision, number]>([
    ['f32', 1e-5],
    // A rounding error in the last bit of f32 may move an activation to the next integer.
    ['int8', 0.02],
  ])('get what they would get alone, in %s', async (precision, tolerance) => {
    const { stages } = await openModel({ precision, split: [3] });
    const together = await run(stages, prompts);
    for (const [index, prompt] of prompts.entries()) {
      const alone = await run(stages, [prompt]);
      for (const [round, [logits]] of alone.entries()) {
        expect(largestDifference(together[round]![index]!, logits!)).toBeLessThan(tolerance);
      }
    }
  });

  test('get the best tokens of the logits that they would get', async () => {
    const { stages, reference } = await openModel();
    const [engine] = stages as [Engine];
    const tokens = Int32Array.from(prompts.flatMap((prompt) => prompt.tokens.slice(0, 3)));
    const items = prompts.map(({ sequence }, index) => ({
      sequence,
      position: 0,
      count: 3,
      logits: index % 4,
    }));
    for (const each of [engine, reference]) {
      for (const { sequence } of prompts) each.open(sequence, 200);
      const logits = (await each.step({ items, tokens })).logits!;
      const { best, logits: none } = await each.step({ items, tokens, bestOnly: true });
      expect(none).toBeUndefined();
      const rows = items.reduce((sum, item) => sum + item.logits, 0);
      const size = logits.length / rows;
      const expected = Array.from({ length: rows }, (_, row) =>
        argmax(logits.subarray(row * size, (row + 1) * size)),
      );
      expect([...best!.tokens]).toEqual(expected);
      expect([...best!.logits]).toEqual(expected.map((token, row) => logits[row * size + token]));
    }
  });

  test('may prefill while others decode, in any order', async () => {
    const { stages, reference } = await openModel();
    const [first, second] = prompts as [(typeof prompts)[0], (typeof prompts)[0]];
    for (const engine of [...stages, reference]) {
      engine.open(first.sequence, 200);
      engine.open(second.sequence, 200);
    }
    for (const step of [parts(0, [first]), [...parts(0, [second]), ...parts(1, [first])]]) {
      const found = await stepThrough(stages, step);
      const expected = await stepThrough([reference], step);
      for (const [index, logits] of found.entries()) {
        expect(largestDifference(logits, expected[index]!)).toBeLessThan(1e-4);
      }
    }
  });

  test.each<[Precision, number]>([
    ['f32', 1e-5],
    ['int8', 0.02],
  ])(
    'may try drafts of different lengths and go on without the wrong ones, in %s',
    async (precision, tolerance) => {
      const { stages } = await openModel({ precision, split: [3] });
      // A prompt each, a step with drafts whose tails are wrong, and the tokens that are right after all.
      const drafted = [1, 4, 2, 3, 16, 5].map((count, index) => ({ ...prompts[index]!, count }));
      const wrong = randomTokens(16, 99);
      const steps = [
        parts(0, drafted),
        drafted.map(({ sequence, tokens, length, count }) => ({
          sequence,
          position: length,
          tokens: [tokens[length]!, ...wrong].slice(0, count),
          logits: count,
        })),
        parts(2, drafted),
      ];
      const run = async (active: readonly string[]): Promise<Float32Array[][]> => {
        for (const engine of stages) for (const id of active) engine.open(id, 200);
        const rounds: Float32Array[][] = [];
        for (const step of steps) {
          rounds.push(
            await stepThrough(
              stages,
              step.filter(({ sequence }) => active.includes(sequence)),
            ),
          );
        }
        for (const engine of stages) for (const id of active) engine.close(id);
        return rounds;
      };
      const together = await run(drafted.map(({ sequence }) => sequence));
      for (const [index, { sequence, tokens, length, count }] of drafted.entries()) {
        const alone = await run([sequence]);
        for (const [round, [logits]] of alone.entries()) {
          expect(logits).toHaveLength((round === 1 ? count : 1) * smallConfig.vocabulary);
          expect(largestDifference(together[round]![index]!, logits!)).toBeLessThan(tolerance);
        }
        // And what follows is what would have been without a draft.
        for (const engine of stages) engine.open(sequence, 200);
        for (const round of [0, 1, 2]) {
          const part = parts(round, [{ sequence, tokens, length }]);
          const [plain] = await stepThrough(stages, part);
          const found = together[round]![index]!.subarray(0, smallConfig.vocabulary);
          expect(largestDifference(found, plain!)).toBeLessThan(tolerance);
        }
        for (const engine of stages) engine.close(sequence);
      }
    },
  );

  test('may be taken back to any length, as in the reference engine', async () => {
    const { stages, reference } = await openModel({ split: [2] });
    const tokens = randomTokens(90);
    for (const engine of [...stages, reference]) engine.open('a', 100);
    for (const [position, end] of [
      [0, 70],
      [66, 72],
      [72, 80],
      [3, 5],
      [5, 90],
      [0, 1],
    ] as const) {
      const part = { sequence: 'a', position, tokens: tokens.slice(position, end), logits: 1 };
      const [found] = await stepThrough(stages, [part]);
      const [expected] = await stepThrough([reference], [part]);
      expect(largestDifference(found!, expected!)).toBeLessThan(1e-4);
    }
  });

  test('return logits only where they are wanted', async () => {
    const { stages } = await openModel();
    const [engine] = stages as [Engine];
    engine.open('a', 10);
    engine.open('b', 10);
    const items = [
      { sequence: 'a', position: 0, count: 2, logits: 0 },
      { sequence: 'b', position: 0, count: 3, logits: 1 },
    ];
    const { logits } = await engine.step({ items, tokens: Int32Array.of(5, 6, 7, 8, 9) });
    expect(logits).toHaveLength(smallConfig.vocabulary);
  });
});

describe('a step that fails', () => {
  test('midway advances no sequence, and can be repeated', async () => {
    const { stages, reference } = await openModel();
    for (const engine of [...stages, reference]) {
      engine.open('a', 100);
      engine.open('b', 100);
    }
    const step = [
      { sequence: 'a', position: 0, tokens: randomTokens(30) },
      { sequence: 'b', position: 0, tokens: randomTokens(20) },
    ];
    const { prototype: sessions } = ort.InferenceSession as unknown as { prototype: ort.InferenceSession };
    const run = Object.getOwnPropertyDescriptor(sessions, 'run')!.value as typeof sessions.run;
    jest.spyOn(sessions, 'run').mockImplementationOnce(run).mockRejectedValueOnce(new Error('out of memory'));
    await expect(stepThrough(stages, step)).rejects.toThrow('out of memory');

    const found = await stepThrough(stages, step);
    const expected = await stepThrough([reference], step);
    for (const [index, logits] of found.entries()) {
      expect(largestDifference(logits, expected[index]!)).toBeLessThan(1e-4);
    }
  });

  const item = { sequence: 'a', position: 0, count: 2, logits: 1 };
  const tokens = Int32Array.of(1, 2);
  const wrong: readonly (readonly [what: string, input: StepInput])[] = [
    ['a sequence that is not open', { items: [{ ...item, sequence: 'b' }], tokens }],
    ['a position that is not the next', { items: [{ ...item, position: 1 }], tokens }],
    ['the same sequence twice', { items: [item, item], tokens: Int32Array.of(1, 2, 3, 4) }],
    ['logits of more rows than it has', { items: [{ ...item, logits: 3 }], tokens }],
    ['a position before the first', { items: [{ ...item, position: -1 }], tokens }],
    ['no tokens', { items: [{ ...item, count: 0 }], tokens: new Int32Array() }],
    ['more tokens than were reserved', { items: [{ ...item, count: 11 }], tokens: new Int32Array(11) }],
    ['fewer tokens than rows', { items: [item], tokens: Int32Array.of(1) }],
    ['a token outside the vocabulary', { items: [item], tokens: Int32Array.of(1, smallConfig.vocabulary) }],
    ['activations where tokens belong', { items: [item], hidden: new Float32Array(2 * smallConfig.hidden) }],
  ];
  test('is refused where its input is wrong, and what comes next is judged as if it had not been', async () => {
    const { stages, reference } = await openModel();
    for (const engine of [...stages, reference]) {
      engine.open('a', 10);
      for (const [what, input] of wrong) {
        const { code } = await thrownBy(() => engine.step(input));
        expect([what, code]).toEqual([what, 'invalid_frame']);
      }
      expect((await engine.step({ items: [item], tokens })).logits).toHaveLength(smallConfig.vocabulary);
    }
  });

  test('refuses activations of another width', async () => {
    const { stages } = await openModel({ split: [2] });
    const second = stages[1]!;
    second.open('a', 10);
    const error = await thrownBy(() => second.step({ items: [item], hidden: new Float32Array(3) }));
    expect(error.code).toBe('invalid_frame');
  });
});

test('a step returns before its rows are in the cache, and counts them', async () => {
  const { stages } = await openModel();
  const [engine] = stages as [Engine];
  const append = jest.spyOn(KvCache.prototype, 'append');
  engine.open('a', 10);
  const item = { sequence: 'a', position: 0, count: 2, logits: 0 };
  await engine.step({ items: [item], tokens: Int32Array.of(1, 2) });
  expect([append.mock.calls.length, engine.kv.used]).toEqual([0, 2]);
  await new Promise((resolve) => setImmediate(resolve));
  expect([append.mock.calls.length, engine.kv.used]).toEqual([1, 2]);
  append.mockRestore();
});

test('room grows with what sequences have, and a step that finds none changes nothing', async () => {
  const { stages } = await openModel({ kvTokens: 100 });
  const [engine] = stages as [Engine];
  const feed = (sequence: string, position: number, count: number) =>
    engine.step({ items: [{ sequence, position, count, logits: 0 }], tokens: new Int32Array(count) });
  for (const sequence of ['a', 'b', 'c']) engine.open(sequence, 100);
  expect(engine.kv).toEqual({ used: 0, capacity: 100 });
  await feed('a', 0, 60);
  await feed('b', 0, 30);
  expect((await thrownBy(() => feed('c', 0, 11))).code).toBe('kv_exhausted');
  expect(engine.kv).toEqual({ used: 90, capacity: 100 });
  await feed('a', 40, 30); // Twenty of them replace what was there.
  expect(engine.kv).toEqual({ used: 100, capacity: 100 });
  engine.close('a');
  engine.close('never opened');
  expect(engine.kv).toEqual({ used: 30, capacity: 100 });
});

test.each(['f32', 'int8'] as const)(
  'activations that are no numbers are refused, in %s',
  async (precision) => {
    const { stages } = await openModel({ precision, split: [2] });
    const second = stages[1]!;
    const width = (await run(stages[0]!, 'x')).hidden!.length;
    const clean = await run(stages[0]!, 'y');
    second.open('poisoned', 10);
    const step = (sequence: string, hidden: Float32Array) =>
      second.step({ items: [{ sequence, position: 0, count: 1, logits: 1 }], hidden });
    for (const value of [NaN, Infinity, -Infinity]) {
      const hidden = new Float32Array(width).fill(value, 3, 4);
      expect((await thrownBy(() => step('poisoned', hidden))).code).toBe('invalid_frame');
    }
    second.close('poisoned');
    second.open('next', 10);
    const { logits } = await step('next', Float32Array.from(clean.hidden!));
    expect(logits!.every(Number.isFinite)).toBe(true);

    async function run(engine: Engine, sequence: string) {
      engine.open(sequence, 10);
      const items = [{ sequence, position: 0, count: 1, logits: 0 }];
      return engine.step({ items, tokens: Int32Array.of(5) });
    }
  },
);
