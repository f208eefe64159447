import { simulate, type Outcome } from './pipeline-simulation.js';
import { Batcher, type BatchingOptions, type Passing } from '../../../services/stage/batcher.js';

const always = (): boolean => true;
const options: BatchingOptions<Passing> = {
  limits: { maxRows: 512, maxSequences: 64 },
  parallelSteps: () => 1,
  promptShare: 0.5,
  divide: (part, rows) => [
    { ...part, rows, comesBack: false },
    { ...part, position: part.position + rows, rows: part.rows - rows },
  ],
};
const batcherWith = (changed: Partial<BatchingOptions<Passing>> = {}): Batcher<Passing> =>
  new Batcher({ ...options, ...changed });
const decode = (sequence: object): Passing => ({
  sequence,
  phase: 'decode',
  position: 100,
  rows: 1,
  comesBack: true,
});
const prompt = (sequence: object, rows = 100): Passing => ({
  sequence,
  phase: 'prefill',
  position: 0,
  rows,
  comesBack: true,
});
const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];

/** At 0.24 s `a` is out, whose decode step took 30 ms, and a prompt of `b` waits; a row of a prompt takes 1 ms. */
function runningBesidePrompt(): Batcher<Passing> {
  const batcher = batcherWith();
  batcher.enqueue(prompt(a), 0);
  batcher.ran(batcher.next(always, 0), 0.1, always, 0.1);
  batcher.enqueue(decode(a), 0.2);
  batcher.ran(batcher.next(always, 0.2), 0.03, always, 0.23);
  batcher.enqueue(prompt(b), 0.24);
  return batcher;
}

describe('the batcher', () => {
  it('waits until a whole group is back', () => {
    const batcher = batcherWith();
    for (const sequence of [a, b]) batcher.enqueue(decode(sequence), 0);
    const step = batcher.next(always, 0);
    expect(step).toHaveLength(2);
    batcher.ran(step, 0.01, always, 0.01);
    batcher.enqueue(decode(a), 0.03);
    expect(batcher.next(always, 0.03)).toEqual([]);
    batcher.enqueue(decode(b), 0.031);
    expect(batcher.next(always, 0.031)).toHaveLength(2);
    expect(batcher.deadline).toBeNull();
  });

  it('waits for nobody where no limit is', () => {
    const batcher = batcherWith({ parallelSteps: () => Infinity });
    for (const sequence of [a, b]) batcher.enqueue(decode(sequence), 0);
    batcher.ran(batcher.next(always, 0), 0.01, always, 0.01);
    batcher.enqueue(decode(a), 0.03);
    expect(batcher.next(always, 0.03)).toHaveLength(1);
  });

  it('waits no longer than until a group is late', () => {
    const batcher = batcherWith();
    for (const sequence of [a, b]) batcher.enqueue(decode(sequence), 0);
    batcher.ran(batcher.next(always, 0), 0.01, always, 0.01);
    expect(batcher.deadline).toBeNull();
    batcher.enqueue(decode(a), 0.03);
    const deadline = batcher.deadline!;
    expect(batcher.next(always, deadline - 1e-6)).toEqual([]);
    expect(batcher.next(always, deadline)).toHaveLength(1);
  });

  it('does not wait for what has ended, or has ended during its step', () => {
    const batcher = batcherWith();
    for (const sequence of [a, b, c]) batcher.enqueue(decode(sequence), 0);
    const step = batcher.next(always, 0);
    batcher.remove(b);
    batcher.ran(step, 0.01, ({ sequence }) => sequence !== b, 0.01);
    batcher.remove(c);
    batcher.enqueue(decode(a), 0.02);
    expect(batcher.next(always, 0.02)).toHaveLength(1);
  });

  it('lets a prompt that arrives while a group is out join the group when it is back, in pieces', () => {
    const batcher = runningBesidePrompt();
    expect(batcher.next(always, 0.24)).toEqual([]);
    batcher.enqueue(decode(a), 0.25);
    // With half of the time, 30 rows.
    const mixed = batcher.next(always, 0.25);
    expect(mixed.map(({ sequence, rows, comesBack }) => [sequence, rows, comesBack])).toEqual([
      [a, 1, true],
      [b, 30, false],
    ]);
    expect(batcher.depth).toBe(1);
  });

  it('does not take a prompt whole because those that run are late', () => {
    const batcher = runningBesidePrompt();
    const late = batcher.deadline!;
    expect(batcher.next(always, late).map(({ rows }) => rows)).toEqual([30]);
    // One whose client does not read stalls no prompt for ever.
    expect(batcher.next(always, late + 60).map(({ rows }) => rows)).toEqual([70]);
  });

  it('lets prompts follow one another as long as nobody runs', () => {
    const batcher = batcherWith();
    batcher.enqueue(prompt(a, 400), 0);
    batcher.ran(batcher.next(always, 0), 0.1, always, 0.1);
    batcher.enqueue(prompt(b, 400), 0.1);
    expect(batcher.next(always, 0.1).map(({ rows }) => rows)).toEqual([400]);
  });

  it('makes groups of equal size where several may be out', () => {
    const batcher = batcherWith({ parallelSteps: () => 3 });
    for (let index = 0; index < 16; index++) batcher.enqueue(decode({ index }), 0);
    const sizes: number[] = [];
    for (let step = batcher.next(always, 0); step.length > 0; step = batcher.next(always, 0)) {
      sizes.push(step.length);
      batcher.ran(step, 0.01, always, 0);
    }
    expect(sizes).toEqual([6, 6, 4]);
  });

  it.each([
    ['lets out one more than can be computed where groups are large', { computed: 2, rows: 6 }, [3, 3, 2]],
    ['lets out none more where they would have fewer than sixteen rows', { computed: 2, rows: 5 }, [4, 4]],
    ['lets out a single one where one can be computed', { computed: 1, rows: 16 }, [8]],
  ])('%s', (_name, { computed, rows }, expected) => {
    const batcher = batcherWith({ parallelSteps: () => computed });
    for (let index = 0; index < 8; index++) batcher.enqueue({ ...decode({ index }), rows }, 0);
    const sizes: number[] = [];
    for (let step = batcher.next(always, 0); step.length > 0; step = batcher.next(always, 0)) {
      sizes.push(step.length);
      batcher.ran(step, 0.01, always, 0);
    }
    expect(sizes).toEqual(expected);
  });
});

describe('sixteen clients over three stages', () => {
  const costs = { perStep: 0.004, perSequence: 0.0005, hop: 0.0005 };
  const run = (shared: boolean, parallelSteps: number): Outcome =>
    simulate(batcherWith({ parallelSteps: () => parallelSteps }), {
      clients: 16,
      stages: 3,
      shared,
      rounds: 100,
      ...costs,
    });

  it('stay one batch where the stages share processors, and gain by it', () => {
    const [together, greedy] = [run(true, 1), run(true, Infinity)];
    expect(together.meanBatch).toBeGreaterThan(15);
    expect(greedy.meanBatch).toBeLessThan(12);
    expect(together.tokensPerSecond).toBeGreaterThan(1.2 * greedy.tokensPerSecond);
  });

  it('keep all stages busy where each has its own processors', () => {
    const [three, one] = [run(false, 3), run(false, 1)];
    expect(three.busy).toBeGreaterThan(0.85);
    expect(three.tokensPerSecond).toBeGreaterThan(1.3 * one.tokensPerSecond);
    expect(three.tokensPerSecond).toBeGreaterThan(0.95 * run(false, Infinity).tokensPerSecond);
  });
});
