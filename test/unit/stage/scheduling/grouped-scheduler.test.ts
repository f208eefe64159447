import fc from 'fast-check';
import { PlainScheduler } from '../../../../services/stage/scheduling/scheduler.js';
import { simulate, type Outcome } from './pipeline-simulation.js';
import {
  GroupedScheduler,
  type GroupingOptions,
} from '../../../../services/stage/scheduling/grouped-scheduler.js';
import { SMALLEST_PIECE, type Work } from '../../../../services/stage/scheduling/work-queue.js';

const always = (): boolean => true;
const options: GroupingOptions<Work> = {
  limits: { maxRows: 512, maxSequences: 64 },
  groupsAtOnce: () => 1,
  gainsAlone: () => false,
  promptShare: 0.5,
  laneOf: () => '',
  divide: ({ sequence, item }, rows) => [
    { sequence, item: { ...item, count: rows, logits: 0 } },
    { sequence, item: { ...item, position: item.position + rows, count: item.count - rows } },
  ],
};
const schedulerWith = (changed: Partial<GroupingOptions<Work>> = {}): GroupedScheduler<Work> =>
  new GroupedScheduler({ ...options, ...changed });
const decode = (sequence: object, rows = 1): Work => ({
  sequence,
  item: { position: 100, count: rows, logits: rows },
});
const prompt = (sequence: object, rows = 100): Work => ({
  sequence,
  item: { position: 0, count: rows, logits: 1 },
});
const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];

/** At 0.24 s `a` is out, whose decode step took 30 ms, and a prompt of `b` waits; a row of a prompt takes 1 ms. */
function runningBesidePrompt(changed: Partial<GroupingOptions<Work>> = {}): GroupedScheduler<Work> {
  const scheduler = schedulerWith(changed);
  scheduler.enqueue(prompt(a), 0);
  scheduler.ran(scheduler.next(always, 0), 0.1, always, 0.1);
  scheduler.enqueue(decode(a), 0.2);
  scheduler.ran(scheduler.next(always, 0.2), 0.03, always, 0.23);
  scheduler.enqueue(prompt(b, 200), 0.24);
  return scheduler;
}

describe('the grouped scheduler', () => {
  it('waits until a whole group is back', () => {
    const scheduler = schedulerWith();
    for (const sequence of [a, b]) scheduler.enqueue(decode(sequence), 0);
    const step = scheduler.next(always, 0);
    expect(step).toHaveLength(2);
    scheduler.ran(step, 0.01, always, 0.01);
    scheduler.enqueue(decode(a), 0.03);
    expect(scheduler.next(always, 0.03)).toEqual([]);
    scheduler.enqueue(decode(b), 0.031);
    expect(scheduler.next(always, 0.031)).toHaveLength(2);
    expect(scheduler.deadline).toBeNull();
  });

  it('lets one group out while its few rows gain all processors by being alone', () => {
    const sequences = Array.from({ length: 12 }, (_, index) => ({ index }));
    const groupsOf = (count: number, gains: boolean): number[] => {
      const scheduler = schedulerWith({ groupsAtOnce: () => 2, gainsAlone: () => gains });
      for (const sequence of sequences.slice(0, count)) scheduler.enqueue(decode(sequence), 0);
      return [1, 2].map(() => {
        const step = scheduler.next(always, 0);
        scheduler.ran(step, 0.01, always, 0);
        return step.length;
      });
    };
    expect(groupsOf(4, true)).toEqual([4, 0]);
    expect(groupsOf(4, false)).toEqual([2, 2]);
    expect(groupsOf(12, true)).toEqual([6, 6]);

    const scheduler = schedulerWith({ groupsAtOnce: () => 2, gainsAlone: () => true });
    const run = (now: number): Work[] => {
      const step = scheduler.next(always, now);
      if (step.length > 0) scheduler.ran(step, 0.01, always, now);
      return step;
    };
    for (const sequence of sequences.slice(0, 8)) scheduler.enqueue(decode(sequence), 0);
    expect(run(0)).toHaveLength(8);
    // Those that are back count once.
    for (const sequence of sequences.slice(0, 7)) scheduler.enqueue(decode(sequence), 0.02);
    expect(run(0.02)).toEqual([]);
    scheduler.enqueue(decode(sequences[7]!), 0.02);
    expect(run(0.02)).toHaveLength(8);
    scheduler.enqueue(prompt(c), 0.03);
    expect(run(0.03)).toMatchObject([{ sequence: c }]);
  });

  it('waits for nobody where no limit is', () => {
    const scheduler = schedulerWith({ groupsAtOnce: () => Infinity });
    for (const sequence of [a, b]) scheduler.enqueue(decode(sequence), 0);
    scheduler.ran(scheduler.next(always, 0), 0.01, always, 0.01);
    scheduler.enqueue(decode(a), 0.03);
    expect(scheduler.next(always, 0.03)).toHaveLength(1);
  });

  it('waits no longer than until a group is late', () => {
    const scheduler = schedulerWith();
    for (const sequence of [a, b]) scheduler.enqueue(decode(sequence), 0);
    scheduler.ran(scheduler.next(always, 0), 0.01, always, 0.01);
    expect(scheduler.deadline).toBeNull();
    scheduler.enqueue(decode(a), 0.03);
    const deadline = scheduler.deadline!;
    expect(scheduler.next(always, deadline - 1e-6)).toEqual([]);
    expect(scheduler.next(always, deadline)).toHaveLength(1);
  });

  it('does not wait for what has ended, or has ended during its step', () => {
    const scheduler = schedulerWith();
    for (const sequence of [a, b, c]) scheduler.enqueue(decode(sequence), 0);
    const step = scheduler.next(always, 0);
    scheduler.remove(b);
    scheduler.ran(step, 0.01, ({ sequence }) => sequence !== b, 0.01);
    scheduler.remove(c);
    scheduler.enqueue(decode(a), 0.02);
    expect(scheduler.next(always, 0.02)).toHaveLength(1);
  });

  it('lets a prompt that arrives while a group is out join the group when it is back, in pieces', () => {
    const scheduler = runningBesidePrompt();
    expect(scheduler.next(always, 0.24)).toEqual([]);
    scheduler.enqueue(decode(a), 0.25);
    // With half of the time 30 rows, for each of the four prompts that one which ends counts as.
    const mixed = scheduler.next(always, 0.25);
    expect(mixed.map(({ sequence, item }) => [sequence, item.count, item.logits > 0])).toEqual([
      [a, 1, true],
      [b, 120, false],
    ]);
    expect(scheduler.depth).toBe(1);
  });

  it('does not take a prompt whole because those that run are late', () => {
    const scheduler = runningBesidePrompt();
    const late = scheduler.deadline!;
    expect(scheduler.next(always, late).map(({ item }) => item.count)).toEqual([120]);
    // One whose client does not read stalls no prompt for ever.
    expect(scheduler.next(always, late + 60).map(({ item }) => item.count)).toEqual([80]);
  });

  it.each([
    [
      'each prompt that is about to end, and of four at least',
      { logits: 1, count: 256 },
      [120, 120, 120, 120, 150],
    ],
    ['each long prompt that is about to end', { logits: 1, count: 400 }, [30, 60, 90, 120, 150]],
    ['no more than two that go on', { logits: 0, count: 400 }, [30, 60, 60, 60, 60]],
  ])('has in a step beside who runs the share of %s', (_, item, expected) => {
    const rows = [1, 2, 3, 4, 5].map((prompts) => {
      const scheduler = schedulerWith();
      scheduler.enqueue(prompt(a), 0);
      scheduler.ran(scheduler.next(always, 0), 0.1, always, 0.1);
      scheduler.enqueue(decode(a), 0.2);
      scheduler.ran(scheduler.next(always, 0.2), 0.03, always, 0.23);
      scheduler.enqueue(decode(a), 0.3);
      for (let waiting = 0; waiting < prompts; waiting++)
        scheduler.enqueue({ sequence: {}, item: { position: 0, ...item } }, 0.3);
      const [, ...pieces] = scheduler.next(always, 0.3);
      return pieces.reduce((sum, { item }) => sum + item.count, 0);
    });
    expect(rows).toEqual(expected);
  });

  it('takes no more of prompts than their share while others come back with their first token', () => {
    const scheduler = schedulerWith({ limits: { maxRows: 100, maxSequences: 64 } });
    scheduler.enqueue(prompt(a), 0);
    scheduler.ran(scheduler.next(always, 0), 0.1, always, 0.1);
    scheduler.enqueue(decode(a), 0.2);
    scheduler.ran(scheduler.next(always, 0.2), 0.01, always, 0.21);
    scheduler.enqueue(decode(a), 0.3);
    scheduler.enqueue(prompt(b), 0.3);
    scheduler.ran(scheduler.next(always, 0.3), 0.05, always, 0.35);
    scheduler.remove(a);
    scheduler.remove(b);
    for (const sequence of [a, b]) scheduler.enqueue(prompt(sequence), 0.4);
    const first = scheduler.next(always, 0.4);
    expect(first.map(({ item }) => item.count)).toEqual([100]);
    scheduler.ran(first, 0.1, always, 0.5);
    // A row took 1 ms, one that runs 10: its four shares.
    expect(scheduler.next(always, 0.5).map(({ item }) => item.count)).toEqual([40]);
  });

  it('begins a prompt beside a late one that was never seen to run alone', () => {
    const scheduler = schedulerWith();
    for (const sequence of [a, b]) scheduler.enqueue(decode(sequence), 0);
    scheduler.ran(scheduler.next(always, 0), 0.01, always, 0.01);
    scheduler.remove(b);
    scheduler.enqueue(prompt(c), 0.02);
    expect(scheduler.next(always, 0.02)).toEqual([]);
    const late = scheduler.deadline!;
    expect(scheduler.next(always, late).map(({ item }) => item.count)).toEqual([SMALLEST_PIECE]);
  });

  it('cuts prompts by their share alone where groups have no limit', () => {
    const scheduler = runningBesidePrompt({ groupsAtOnce: () => Infinity });
    expect(scheduler.next(always, 0.24).map(({ item }) => item.count)).toEqual([120]);
  });

  it('lets prompts follow one another as long as nobody runs', () => {
    const scheduler = schedulerWith();
    scheduler.enqueue(prompt(a, 400), 0);
    scheduler.ran(scheduler.next(always, 0), 0.1, always, 0.1);
    scheduler.enqueue(prompt(b, 400), 0.1);
    expect(scheduler.next(always, 0.1).map(({ item }) => item.count)).toEqual([400]);
  });

  it('makes groups of equal size where several may be out', () => {
    const scheduler = schedulerWith({ groupsAtOnce: () => 3 });
    for (let index = 0; index < 16; index++) scheduler.enqueue(decode({ index }), 0);
    const sizes: number[] = [];
    for (let step = scheduler.next(always, 0); step.length > 0; step = scheduler.next(always, 0)) {
      sizes.push(step.length);
      scheduler.ran(step, 0.01, always, 0);
    }
    expect(sizes).toEqual([6, 6, 4]);
  });

  it.each([
    ['lets out one more than can be computed where groups are large', { computed: 2, rows: 6 }, [3, 3, 2]],
    ['lets out none more where they would have fewer than sixteen rows', { computed: 2, rows: 5 }, [4, 4]],
    ['lets out a single one where one can be computed', { computed: 1, rows: 16 }, [8]],
  ])('%s', (_name, { computed, rows }, expected) => {
    const scheduler = schedulerWith({ groupsAtOnce: () => computed });
    for (let index = 0; index < 8; index++) scheduler.enqueue(decode({ index }, rows), 0);
    const sizes: number[] = [];
    for (let step = scheduler.next(always, 0); step.length > 0; step = scheduler.next(always, 0)) {
      sizes.push(step.length);
      scheduler.ran(step, 0.01, always, 0);
    }
    expect(sizes).toEqual(expected);
  });
});

describe('lanes', () => {
  const laneOf = ({ sequence }: Work): string => (sequence as { lane: string }).lane;
  const sequencesOf = (lane: string, count: number): object[] =>
    Array.from({ length: count }, (_, index) => ({ lane, index }));
  const [x, y] = [sequencesOf('x', 4), sequencesOf('y', 4)];
  const lanesOf = (step: readonly Work[]): string[] => step.map(laneOf);
  const laned = (atOnce: number): GroupedScheduler<Work> =>
    schedulerWith({ laneOf, groupsAtOnce: () => atOnce });
  /** A row of a prompt takes a hundredth of a step. */
  const run = (scheduler: GroupedScheduler<Work>, now = 0): Work[] => {
    const step = scheduler.next(always, now);
    const prompts = step.filter(({ item }) => item.count > item.logits);
    const rows = prompts.reduce((sum, { item }) => sum + item.count, 0);
    scheduler.ran(step, 0.01 + 0.0001 * rows, always, now);
    return step;
  };

  it('have groups of their own, and take turns', () => {
    const scheduler = laned(2);
    for (const sequence of [x[0]!, ...y, ...x.slice(1)]) scheduler.enqueue(decode(sequence), 0);
    expect(lanesOf(run(scheduler))).toEqual(['x', 'x', 'x', 'x']);
    expect(lanesOf(run(scheduler))).toEqual(['y', 'y', 'y', 'y']);
    // Both are out: who comes back waits for the rest of its lane.
    scheduler.enqueue(decode(x[0]!), 0.02);
    for (const sequence of y) scheduler.enqueue(decode(sequence), 0.021);
    expect(lanesOf(run(scheduler, 0.021))).toEqual(['y', 'y', 'y', 'y']);
    expect(run(scheduler, 0.021)).toEqual([]);
    for (const sequence of x.slice(1)) scheduler.enqueue(decode(sequence), 0.03);
    expect(run(scheduler, 0.03)).toHaveLength(4);
  });

  it('have as many groups as is their part of all', () => {
    const scheduler = laned(4);
    const [many, few] = [sequencesOf('m', 6), sequencesOf('f', 2)];
    for (const sequence of [...many, ...few]) scheduler.enqueue(decode(sequence), 0);
    const steps = Array.from({ length: 5 }, () => lanesOf(run(scheduler)).join(''));
    expect(steps).toEqual(['mm', 'mm', 'mm', 'ff', '']);
  });

  it('are one where there are more of them than groups', () => {
    const scheduler = laned(1);
    for (const sequence of [...x, ...y]) scheduler.enqueue(decode(sequence), 0);
    expect(run(scheduler)).toHaveLength(8);
    expect(run(scheduler)).toEqual([]);
  });

  it('have their prompts computed beside their own sequences only', () => {
    const scheduler = laned(2);
    for (const sequence of [...x, ...y.slice(1)]) scheduler.enqueue(decode(sequence), 0);
    scheduler.enqueue(prompt(y[0]!), 0);
    expect(lanesOf(run(scheduler))).toEqual(['x', 'x', 'x', 'x']);
    expect(run(scheduler).map(({ sequence, item }) => [sequence, item.count])).toEqual([
      ...y.slice(1).map((sequence) => [sequence, 1]),
      [y[0], SMALLEST_PIECE],
    ]);
  });

  it('begin with a prompt while another one runs, where groups have no limit', () => {
    const scheduler = laned(Infinity);
    scheduler.enqueue(decode(x[0]!), 0);
    expect(lanesOf(run(scheduler))).toEqual(['x']);
    scheduler.enqueue(prompt(y[0]!), 0);
    const step = run(scheduler);
    expect(step.map(({ sequence, item }) => [sequence, item.count])).toEqual([[y[0], SMALLEST_PIECE]]);
  });

  it('share out a prompt over the groups that come by, so that all have as much to do', () => {
    const scheduler = schedulerWith({ groupsAtOnce: () => 4 });
    const runners = sequencesOf('', 4);
    let now = 0;
    const round = (): number[][] =>
      runners.map((sequence) => {
        scheduler.enqueue(decode(sequence), (now += 0.05));
        return run(scheduler, now).map(({ item }) => item.count);
      });
    round();
    scheduler.ran([decode({}), prompt({}, 100)], 0.02, () => false, now);
    scheduler.enqueue(prompt({}, 72), now);
    expect(round()).toEqual(Array(4).fill([1, 18]));
    expect(scheduler.depth).toBe(0);
  });

  it('are fewer and larger where most of a step is fixed', () => {
    const sizes = (seconds: (decodes: number) => number): number[] => {
      const scheduler = schedulerWith({ groupsAtOnce: () => 2 });
      const runners = sequencesOf('', 64);
      const step = (now: number): number => {
        const parts = scheduler.next(always, now);
        scheduler.ran(parts, seconds(parts.length), always, now);
        return parts.length;
      };
      for (const count of [8, 16, 64]) {
        for (const sequence of runners.slice(0, count)) scheduler.enqueue(decode(sequence), count);
        while (step(count) > 0);
      }
      for (const sequence of runners) scheduler.enqueue(decode(sequence), 100);
      return Array.from({ length: 4 }, () => step(100));
    };
    expect(sizes(() => 0.03)).toEqual([32, 32, 0, 0]);
    expect(sizes((decodes) => 0.001 * decodes)).toEqual([22, 22, 20, 0]);
  });
});

it('forms the steps of the plain one where it holds nothing back', () => {
  const sequences = [a, b, c];
  const arrivals = fc.array(
    fc.record({
      sequence: fc.constantFrom(...sequences),
      rows: fc.integer({ min: 1, max: 40 }),
      isPrompt: fc.boolean(),
    }),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(fc.array(arrivals, { maxLength: 10 }), (rounds) => {
      const limits = { maxRows: 48, maxSequences: 2 };
      const grouped = schedulerWith({ limits, groupsAtOnce: () => Infinity, promptShare: 1 });
      const plain = new PlainScheduler<Work>(limits, (part, rows) => options.divide(part, rows));
      for (const [now, round] of rounds.entries()) {
        for (const { sequence, rows, isPrompt } of round) {
          const work = isPrompt ? prompt(sequence, rows) : decode(sequence, rows);
          for (const scheduler of [grouped, plain]) scheduler.enqueue(work, now);
        }
        const step = grouped.next(always, now);
        expect(step).toEqual(plain.next(always));
        expect(grouped.depth).toBe(plain.depth);
        grouped.ran(step, 0.01, always, now);
      }
    }),
  );
});

describe('sixteen clients over three stages', () => {
  const costs = { perStep: 0.004, perSequence: 0.0005, hop: 0.0005 };
  const run = (shared: boolean, atOnce: number): Outcome =>
    simulate(schedulerWith({ groupsAtOnce: () => atOnce }), {
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
