import fc from 'fast-check';
import { Scheduler } from '../../../services/stage/scheduler.js';

const limits = { maxRows: 8, maxSequences: 3 };
const always = (): boolean => true;

interface Part {
  sequence: { name: string };
  rows: number;
  order: number;
}

const sequences = ['a', 'b', 'c', 'd'].map((name) => ({ name }));
const parts = fc
  .array(fc.tuple(fc.constantFrom(...sequences), fc.integer({ min: 1, max: 12 })), { maxLength: 30 })
  .map((list) => list.map(([sequence, rows], order): Part => ({ sequence, rows, order })));

function drain(waiting: readonly Part[]): Part[][] {
  const scheduler = new Scheduler<Part>(limits);
  for (const part of waiting) scheduler.enqueue(part);
  const steps: Part[][] = [];
  for (let step = scheduler.next(always); step.length > 0; step = scheduler.next(always)) steps.push(step);
  expect(scheduler.depth).toBe(0);
  return steps;
}

describe('the scheduler', () => {
  it('runs every part once, within the limits, a sequence at most once a step and in its order', () => {
    fc.assert(
      fc.property(parts, (waiting) => {
        const steps = drain(waiting);
        expect(steps.flat().toSorted((a, b) => a.order - b.order)).toEqual(waiting);
        for (const step of steps) {
          const rows = step.reduce((sum, part) => sum + part.rows, 0);
          expect(step.length === 1 || rows <= limits.maxRows).toBe(true);
          expect(step.length).toBeLessThanOrEqual(limits.maxSequences);
          expect(new Set(step.map((part) => part.sequence)).size).toBe(step.length);
        }
        for (const sequence of sequences) {
          const orders = steps
            .flat()
            .filter((part) => part.sequence === sequence)
            .map((part) => part.order);
          expect(orders).toEqual(orders.toSorted((a, b) => a - b));
        }
      }),
    );
  });

  it('starts with the oldest part, so that none waits for ever', () => {
    fc.assert(
      fc.property(parts, (waiting) => {
        for (const [first, ...rest] of drain(waiting)) {
          expect(rest.every((part) => part.order > first!.order)).toBe(true);
        }
      }),
    );
  });

  it('leaves what may not run, and all that follows it in its sequence', () => {
    const scheduler = new Scheduler<Part>(limits);
    const [a, b] = sequences;
    const [first, second, other] = [
      { sequence: a!, rows: 1, order: 0 },
      { sequence: a!, rows: 1, order: 1 },
      { sequence: b!, rows: 1, order: 2 },
    ];
    for (const part of [first, second, other]) scheduler.enqueue(part);
    expect(scheduler.next((part) => part !== first)).toEqual([other]);
    expect(scheduler.next(always)).toEqual([first]);
    expect(scheduler.remove(a!)).toEqual([second]);
    expect(scheduler.depth).toBe(0);
  });
});
