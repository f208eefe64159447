import { promptBudget, StepCosts } from '../../../../services/stage/scheduling/step-costs.js';
import { SMALLEST_PIECE } from '../../../../services/stage/scheduling/work-queue.js';

const nobody = { decodes: 0, promptRows: 0, depth: 0 };

/** A decode step of eight takes 20 ms, a prompt's row 1 ms, and 4 ms when 1000 rows are before it. */
function learnt(): StepCosts {
  const costs = new StepCosts();
  costs.observe({ ...nobody, decodes: 8, seconds: 0.02 });
  costs.observe({ ...nobody, promptRows: 100, seconds: 0.1 });
  costs.observe({ decodes: 8, promptRows: 10, depth: 1_000, seconds: 0.02 + 0.04 });
  return costs;
}

describe('what steps cost', () => {
  it('is learnt by size and depth, of rows also for depths that are near', () => {
    const costs = learnt();
    expect(costs.decode(0)).toBe(0);
    expect([costs.decode(8), costs.decode(9), costs.decode(1)]).toEqual([0.02, 0.02, null]);
    expect(costs.promptRow(10)).toBeCloseTo(0.001);
    expect(costs.promptRow(3_000)).toBeCloseTo(0.004);
    costs.observe({ ...nobody, decodes: 1, seconds: 0.01 });
    expect([costs.decode(1), costs.decode(8)]).toEqual([0.01, 0.02]);
  });

  it('is no more than that of more sequences', () => {
    const costs = learnt();
    costs.observe({ ...nobody, decodes: 2, seconds: 0.09 });
    expect([costs.decode(2), costs.decode(4), costs.decode(8)]).toEqual([0.02, null, 0.02]);
  });

  it('follows the machine when it changes', () => {
    const costs = learnt();
    for (let step = 0; step < 40; step++) costs.observe({ ...nobody, decodes: 8, seconds: 0.2 });
    expect(costs.decode(8)).toBeCloseTo(0.2, 3);
  });

  it('is fixed as far as it does not grow with the sequences, of a mean step', () => {
    const fixedShare = (steps: readonly [number, number][]): number | null => {
      const costs = new StepCosts();
      for (const [decodes, seconds] of steps) costs.observe({ ...nobody, decodes, seconds });
      return costs.fixedShare;
    };
    expect(fixedShare([[8, 0.02]])).toBeNull();
    const [small, large] = [
      [4, 0.02],
      [16, 0.02],
    ] as [number, number][];
    expect(fixedShare([small!, large!])).toBeCloseTo(1);
    expect(fixedShare([small!, [16, 0.08]])).toBe(0);
    // 0.02 + 0.001 a sequence, and the first step counts most.
    expect(
      fixedShare([
        [4, 0.024],
        [16, 0.036],
      ]),
    ).toBeCloseTo(0.02 / 0.02424, 3);
  });

  it('is unknown before anything ran', () => {
    const costs = new StepCosts();
    costs.observe({ decodes: 8, promptRows: 10, depth: 0, seconds: 1 });
    expect([costs.decode(8), costs.promptRow(0)]).toEqual([null, null]);
  });
});

describe('the rows of prompts that a step may take', () => {
  const waiting = { decodes: 8, prompts: 1, depth: 0 };

  it('take the share of its time', () => {
    expect(promptBudget(learnt(), 0.5, waiting)).toBe(20);
    expect(promptBudget(learnt(), 0.6, waiting)).toBe(30);
    expect(promptBudget(learnt(), 0.6, { ...waiting, depth: 100 })).toBe(30);
  });

  it('grow with the prompts that wait', () => {
    expect(promptBudget(learnt(), 0.5, { ...waiting, prompts: 3 })).toBe(60);
  });

  it('have no bound while nobody runs, or where prompts may have all of the time', () => {
    expect(promptBudget(learnt(), 0.5, { ...waiting, decodes: 0 })).toBe(Infinity);
    expect(promptBudget(learnt(), 1, waiting)).toBe(Infinity);
  });

  it('are no fewer than a piece, however deep', () => {
    expect(promptBudget(learnt(), 0.6, { ...waiting, depth: 1_000 })).toBe(SMALLEST_PIECE);
  });

  it('are none the first time that so many run, and a piece while rows are unknown', () => {
    expect(promptBudget(learnt(), 0.5, { ...waiting, decodes: 16 })).toBe(0);
    const costs = new StepCosts();
    costs.observe({ ...nobody, decodes: 8, seconds: 0.02 });
    expect(promptBudget(costs, 0.5, waiting)).toBe(SMALLEST_PIECE);
  });
});
