import {
  armOf,
  mostMilliCpu,
  shareOut,
  singleArms,
} from '../../../../scripts/lib/measure/experiment/cpu/arms.js';
import { LOADS, openLoad } from '../../../../scripts/lib/measure/experiment/cpu/loads.js';
import { planOf, RowStore } from '../../../../scripts/lib/measure/experiment/plan.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';
import { thrownBy } from '../../../support/thrown-by.js';

const budget = { split: [6, 24], serviceMilliCpu: 200, sidecarMilliCpu: 100 };

describe('the arms', () => {
  it('may all spend the same', () => {
    const most = (['a', 'b', 'c'] as const).map((name) => mostMilliCpu(armOf(name, budget, [1, 3, 2])));
    expect(most).toEqual([1_800, 1_800, 1_800]);
    const single = singleArms(budget);
    expect([single.a, single.c].map((arm) => mostMilliCpu(arm))).toEqual([900, 900]);
  });

  it('are scaled in two, and fixed in one', () => {
    const scaled = (name: 'a' | 'b' | 'c') =>
      armOf(name, budget, [1, 3, 2]).stages.some(({ min, max }) => min < max);
    expect([scaled('a'), scaled('b'), scaled('c')]).toEqual([true, false, true]);
  });

  it('c may have most replicas where most work is', () => {
    expect(shareOut([6, 18, 14], 6)).toEqual([1, 3, 2]);
    expect(shareOut([1, 1, 1], 6)).toEqual([2, 2, 2]);
    expect(shareOut([1, 100], 4)).toEqual([1, 3]);
  });
});

describe('the loads', () => {
  const options = { rate: 2, duration: 60, seed: 3 };

  it.each(LOADS)('%s is the same for the same seed, and within its time', (name) => {
    const { arrivals, duration, risesAt } = openLoad(name, options);
    expect(openLoad(name, options).arrivals).toEqual(arrivals);
    expect(openLoad(name, { ...options, seed: 4 }).arrivals).not.toEqual(arrivals);
    expect(arrivals.length).toBeGreaterThan(60);
    expect(arrivals.every(({ at }) => at >= 0 && at < duration)).toBe(true);
    expect(risesAt === null || (risesAt > 0 && risesAt < duration)).toBe(true);
  });

  it('rise four-fold when they say so', () => {
    for (const name of ['step', 'square'] as const) {
      const { arrivals, risesAt } = openLoad(name, { ...options, rate: 20 });
      const within = (from: number, to: number) => arrivals.filter(({ at }) => at >= from && at < to).length;
      const ratio = within(risesAt!, risesAt! + 15) / within(risesAt! - 15, risesAt!);
      expect(ratio).toBeGreaterThan(3);
      expect(ratio).toBeLessThan(5);
    }
  });
});

describe('the plan of a folder of rows', () => {
  const folder = temporaryFolder();
  const options = { split: '6,24', cpu: 200, sidecarCpu: 100, duration: 60, seed: 1 };

  it('is made once, and kept', () => {
    const store = new RowStore(folder.path);
    const plan = planOf(options, store);
    expect(plan.split).toEqual([6, 24]);
    expect(planOf(options, store)).toEqual(plan);
  });

  it.each([
    ['duration 60, not 90', { ...options, duration: 90 }],
    ['split [6,24], not [10]', { ...options, split: '10' }],
  ])('does not take %s', async (what, asked) => {
    const store = new RowStore(folder.path);
    const error = await thrownBy(() => planOf(asked, store));
    expect(error.code).toBe('invalid_config');
    expect(error.message).toContain(`were measured with ${what}`);
  });
});
