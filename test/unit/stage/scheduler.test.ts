import fc from 'fast-check';
import { Scheduler, SMALLEST_PIECE, type Work } from '../../../services/stage/scheduler.js';

const limits = { maxRows: 48, maxSequences: 3 };
const always = (): boolean => true;

interface Part extends Work {
  sequence: { name: string };
  /** Where it stood in the queue; a piece's is that of what it was cut from. */
  order: number;
}

const divide = (part: Part, rows: number): [Part, Part] => [
  { ...part, rows },
  { ...part, rows: part.rows - rows },
];
const schedulerOf = (waiting: readonly Part[]): Scheduler<Part> => {
  const scheduler = new Scheduler<Part>(limits, divide);
  for (const part of waiting) scheduler.enqueue(part);
  return scheduler;
};

const sequences = ['a', 'b', 'c', 'd'].map((name) => ({ name }));
const [a, b, c, d] = sequences as [Part['sequence'], Part['sequence'], Part['sequence'], Part['sequence']];
const kinds = fc.oneof(
  fc.record({ phase: fc.constant('decode' as const), rows: fc.integer({ min: 1, max: 16 }) }),
  fc.record({ phase: fc.constant('prefill' as const), rows: fc.integer({ min: 1, max: 120 }) }),
);
const parts = fc
  .array(fc.tuple(fc.constantFrom(...sequences), kinds), { maxLength: 30 })
  .map((list) => list.map(([sequence, kind], order): Part => ({ sequence, ...kind, order })));
const budgets = fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 60 }));

function drain(waiting: readonly Part[], budget: number): Part[][] {
  const scheduler = schedulerOf(waiting);
  const allowance = { decodes: Infinity, promptRows: () => budget };
  const steps: Part[][] = [];
  for (
    let step = scheduler.next(always, allowance);
    step.length > 0;
    step = scheduler.next(always, allowance)
  )
    steps.push(step);
  expect(scheduler.depth).toBe(0);
  return steps;
}

describe('the scheduler', () => {
  it('runs every row once, within the limits, a sequence at most once a step and in its order', () => {
    fc.assert(
      fc.property(parts, budgets, (waiting, budget) => {
        const steps = drain(waiting, budget);
        const rowsRun = waiting.map(({ order }) =>
          steps.flat().reduce((sum, part) => sum + (part.order === order ? part.rows : 0), 0),
        );
        expect(rowsRun).toEqual(waiting.map(({ rows }) => rows));
        for (const step of steps) {
          expect(step.reduce((sum, part) => sum + part.rows, 0)).toBeLessThanOrEqual(limits.maxRows);
          expect(step.length).toBeLessThanOrEqual(limits.maxSequences);
          expect(new Set(step.map((part) => part.sequence)).size).toBe(step.length);
        }
        for (const sequence of sequences) {
          const orders = steps
            .flat()
            .filter((part) => part.sequence === sequence)
            .map((part) => part.order);
          expect(orders).toEqual(orders.toSorted((one, other) => one - other));
        }
      }),
    );
  });

  it('never divides a running sequence, and puts those first in the step', () => {
    fc.assert(
      fc.property(parts, budgets, (waiting, budget) => {
        for (const step of drain(waiting, budget)) {
          const phases = step.map(({ phase }) => phase);
          expect(phases).toEqual(phases.toSorted());
          for (const part of step.filter(({ phase }) => phase === 'decode'))
            expect(part.rows).toBe(waiting[part.order]!.rows);
        }
      }),
    );
  });

  it('has the oldest part in every step, so that none waits for ever', () => {
    fc.assert(
      fc.property(parts, budgets, (waiting, budget) => {
        const left = new Map(waiting.map(({ order, rows }) => [order, rows]));
        for (const step of drain(waiting, budget)) {
          expect(step.map(({ order }) => order)).toContain(Math.min(...left.keys()));
          for (const { order, rows } of step) {
            left.set(order, left.get(order)! - rows);
            if (left.get(order) === 0) left.delete(order);
          }
        }
      }),
    );
  });

  it('takes a piece of the first prompt beside running sequences, and its rest later, before others', () => {
    const scheduler = schedulerOf([
      { sequence: a, phase: 'prefill', rows: 100, order: 0 },
      { sequence: b, phase: 'decode', rows: 1, order: 1 },
      { sequence: c, phase: 'prefill', rows: 40, order: 2 },
    ]);
    const asked: unknown[] = [];
    const step = scheduler.next(always, {
      decodes: 1,
      promptRows: (decodes, prompts) => {
        asked.push(
          decodes,
          prompts.map(({ order }) => order),
        );
        return 20;
      },
    });
    expect(asked).toEqual([1, [0, 2]]);
    expect(step.map(({ order, rows }) => [order, rows])).toEqual([
      [1, 1],
      [0, 20],
    ]);
    expect(scheduler.next(always).map(({ order, rows }) => [order, rows])).toEqual([[0, limits.maxRows]]);
    expect(scheduler.next(always).map(({ order, rows }) => [order, rows])).toEqual([[0, 32]]);
    expect(scheduler.next(always).map(({ order, rows }) => [order, rows])).toEqual([[2, 40]]);
  });

  it('leaves no tail that is smaller than a piece', () => {
    const prompt = (rows: number): Part => ({ sequence: a, phase: 'prefill', rows, order: 0 });
    const twenty = { decodes: 1, promptRows: () => 20 };
    const most = 20 + SMALLEST_PIECE - 1;
    expect(schedulerOf([prompt(most)]).next(always, twenty)[0]!.rows).toBe(most);
    expect(schedulerOf([prompt(most + 1)]).next(always, twenty)[0]!.rows).toBe(20);
  });

  it('takes no prompt where none is allowed', () => {
    const scheduler = schedulerOf([
      { sequence: a, phase: 'prefill', rows: 9, order: 0 },
      { sequence: b, phase: 'decode', rows: 1, order: 1 },
    ]);
    expect(scheduler.next(always, { decodes: 1, promptRows: () => 0 }).map(({ order }) => order)).toEqual([
      1,
    ]);
  });

  it('takes no more running sequences than is allowed', () => {
    const scheduler = schedulerOf(
      [a, b, c, d].map((sequence, order) => ({ sequence, phase: 'decode', rows: 1, order })),
    );
    expect(scheduler.decodes).toBe(4);
    expect(scheduler.next(always, { decodes: 2, promptRows: () => 0 })).toHaveLength(2);
    expect(scheduler.decodes).toBe(2);
  });

  it('leaves what may not run, and all that follows it in its sequence', () => {
    const decode = { phase: 'decode', rows: 1 } as const;
    const [first, second, other] = [
      { sequence: a, ...decode, order: 0 },
      { sequence: a, ...decode, order: 1 },
      { sequence: b, ...decode, order: 2 },
    ];
    const scheduler = schedulerOf([first, second, other]);
    expect(scheduler.next((part) => part !== first)).toEqual([other]);
    expect(scheduler.next(always)).toEqual([first]);
    expect(scheduler.remove(a)).toEqual([second]);
    expect(scheduler.depth).toBe(0);
  });
});
