import fc from 'fast-check';
import {
  phaseOf,
  SMALLEST_PIECE,
  WorkQueue,
  type Work,
} from '../../../../services/stage/scheduling/work-queue.js';

const limits = { maxRows: 48, maxSequences: 3 };
const always = (): boolean => true;

interface Part extends Work {
  sequence: { name: string };
  /** Where it stood in the queue; a piece's is that of what it was cut from. */
  order: number;
}

const decode = (rows: number): Work['item'] => ({ position: 0, count: rows, logits: rows });
const prompt = (rows: number): Work['item'] => ({ position: 0, count: rows, logits: 0 });
/** After which the token is sampled. */
const ending = (rows: number): Work['item'] => ({ position: 0, count: rows, logits: 1 });
const divide = (part: Part, rows: number): [Part, Part] => [
  { ...part, item: prompt(rows) },
  { ...part, item: { ...part.item, count: part.item.count - rows } },
];
const queueOf = (waiting: readonly Part[]): WorkQueue<Part> => {
  const queue = new WorkQueue<Part>(limits, divide);
  for (const part of waiting) queue.enqueue(part);
  return queue;
};

const sequences = ['a', 'b', 'c', 'd'].map((name) => ({ name }));
const [a, b, c, d] = sequences as [Part['sequence'], Part['sequence'], Part['sequence'], Part['sequence']];
const kinds = fc.oneof(
  fc.integer({ min: 1, max: 16 }).map(decode),
  fc.integer({ min: 1, max: 120 }).map(prompt),
  fc.integer({ min: 2, max: 120 }).map(ending),
);
const parts = fc
  .array(fc.tuple(fc.constantFrom(...sequences), kinds), { maxLength: 30 })
  .map((list) => list.map(([sequence, item], order): Part => ({ sequence, item, order })));
const budgets = fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 60 }));

function drain(waiting: readonly Part[], budget: number): Part[][] {
  const queue = queueOf(waiting);
  const allowance = { decodes: Infinity, promptRows: () => budget };
  const steps: Part[][] = [];
  for (let step = queue.next(always, allowance); step.length > 0; step = queue.next(always, allowance))
    steps.push(step);
  expect(queue.depth).toBe(0);
  return steps;
}

describe('the queue of a scheduler', () => {
  it('computes the rows of one prompt that is scored at a time, beside all others', () => {
    const scored = { ...prompt(5), score: 5 };
    const items = [scored, scored, prompt(5), scored];
    const steps = drain(
      items.map((item, order) => ({ sequence: sequences[order]!, item, order })),
      Infinity,
    );
    expect(steps.map((step) => step.map(({ order }) => order))).toEqual([[0, 2], [1], [3]]);
  });

  it('runs every row once, within the limits, a sequence at most once a step and in its order', () => {
    fc.assert(
      fc.property(parts, budgets, (waiting, budget) => {
        const steps = drain(waiting, budget);
        const rowsRun = waiting.map(({ order }) =>
          steps.flat().reduce((sum, part) => sum + (part.order === order ? part.item.count : 0), 0),
        );
        expect(rowsRun).toEqual(waiting.map(({ item }) => item.count));
        for (const step of steps) {
          expect(step.reduce((sum, part) => sum + part.item.count, 0)).toBeLessThanOrEqual(limits.maxRows);
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
          const phases = step.map(({ item }) => phaseOf(item));
          expect(phases).toEqual(phases.toSorted());
          const running = step.filter(({ order }) => phaseOf(waiting[order]!.item) === 'decode');
          for (const { item, order } of running) expect(item.count).toBe(waiting[order]!.item.count);
        }
      }),
    );
  });

  it('has the oldest part in every step, so that none waits for ever', () => {
    fc.assert(
      fc.property(parts, budgets, (waiting, budget) => {
        const left = new Map(waiting.map(({ order, item }) => [order, item.count]));
        for (const step of drain(waiting, budget)) {
          expect(step.map(({ order }) => order)).toContain(Math.min(...left.keys()));
          for (const { order, item } of step) {
            left.set(order, left.get(order)! - item.count);
            if (left.get(order) === 0) left.delete(order);
          }
        }
      }),
    );
  });

  it('takes a piece of the first prompt beside running sequences, and its rest later, before others', () => {
    const queue = queueOf([
      { sequence: a, item: prompt(100), order: 0 },
      { sequence: b, item: decode(1), order: 1 },
      { sequence: c, item: prompt(40), order: 2 },
    ]);
    const asked: unknown[] = [];
    const step = queue.next(always, {
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
    expect(step.map(({ order, item }) => [order, item.count])).toEqual([
      [1, 1],
      [0, 20],
    ]);
    expect(queue.next(always).map(({ order, item }) => [order, item.count])).toEqual([[0, limits.maxRows]]);
    expect(queue.next(always).map(({ order, item }) => [order, item.count])).toEqual([
      [0, 32],
      [2, limits.maxRows - 32],
    ]);
    expect(queue.depth).toBe(1);
  });

  it('lets a prompt that is about to end overtake long ones, which have an even share', () => {
    const queue = queueOf([
      { sequence: a, item: prompt(200), order: 0 },
      { sequence: b, item: prompt(200), order: 1 },
      { sequence: c, item: ending(40), order: 2 },
    ]);
    const beside = { decodes: 1, promptRows: () => Infinity };
    const counts = (): number[][] => queue.next(always, beside).map(({ order, item }) => [order, item.count]);
    expect(counts()).toEqual([
      [0, 16],
      [2, 32],
    ]);
    expect(counts()).toEqual([
      [0, 40],
      [2, 8],
    ]);
    expect(counts()).toEqual([[0, limits.maxRows]]);
  });

  it('computes prompts that are about to end one after the other, the shortest first, of equals the oldest', () => {
    const queue = queueOf(
      [40, 64, 32, 40].map((rows, order) => ({ sequence: sequences[order]!, item: ending(rows), order })),
    );
    const firsts: number[] = [];
    for (let step = queue.next(always); step.length > 0; step = queue.next(always))
      firsts.push(...step.filter(({ item }) => item.logits > 0).map(({ order }) => order));
    expect(firsts).toEqual([2, 0, 3, 1]);
  });

  it('lets those that are about to end take no more than the oldest leaves, however many they are', () => {
    const queue = queueOf([
      { sequence: a, item: prompt(200), order: 0 },
      ...[b, c, d].map((sequence, order) => ({ sequence, item: ending(30), order: order + 1 })),
    ]);
    const step = queue.next(always, { decodes: 1, promptRows: () => 20 });
    expect(step.map(({ order, item }) => [order, item.count])).toEqual([[0, 20]]);
  });

  it('leaves no tail that is smaller than a piece', () => {
    const waiting = (rows: number): Part => ({ sequence: a, item: prompt(rows), order: 0 });
    const twenty = { decodes: 1, promptRows: () => 20 };
    const most = 20 + SMALLEST_PIECE - 1;
    expect(queueOf([waiting(most)]).next(always, twenty)[0]!.item.count).toBe(most);
    expect(queueOf([waiting(most + 1)]).next(always, twenty)[0]!.item.count).toBe(20);
  });

  it('takes a piece of a prompt that follows another, but none that is too small', () => {
    const counts = (rows: number): number[] =>
      queueOf([a, b].map((sequence, order) => ({ sequence, item: prompt(20), order })))
        .next(always, { decodes: 1, promptRows: () => rows })
        .map(({ item }) => item.count);
    expect(counts(20 + SMALLEST_PIECE)).toEqual([20, SMALLEST_PIECE]);
    expect(counts(20 + SMALLEST_PIECE - 1)).toEqual([20]);
  });

  it('takes no prompt where none is allowed', () => {
    const queue = queueOf([
      { sequence: a, item: prompt(9), order: 0 },
      { sequence: b, item: decode(1), order: 1 },
    ]);
    expect(queue.next(always, { decodes: 1, promptRows: () => 0 }).map(({ order }) => order)).toEqual([1]);
  });

  it('takes no more running sequences than is allowed', () => {
    const queue = queueOf([a, b, c, d].map((sequence, order) => ({ sequence, item: decode(1), order })));
    expect(queue.next(always, { decodes: 2, promptRows: () => 0 })).toHaveLength(2);
    expect(queue.waiting.map(({ order }) => order)).toEqual([2, 3]);
  });

  it('leaves what may not run, and all that follows it in its sequence', () => {
    const [first, second, other] = [
      { sequence: a, item: decode(1), order: 0 },
      { sequence: a, item: decode(1), order: 1 },
      { sequence: b, item: decode(1), order: 2 },
    ];
    const queue = queueOf([first, second, other]);
    expect(queue.next((part) => part !== first)).toEqual([other]);
    expect(queue.next(always)).toEqual([first]);
    expect(queue.remove(a)).toEqual([second]);
    expect(queue.depth).toBe(0);
  });
});
