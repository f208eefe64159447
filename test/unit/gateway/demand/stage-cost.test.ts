import { StageCost } from '../../../../services/gateway/demand/stage-cost.js';
import { demandedReplicas, levelOf, settle } from '../../../../services/gateway/demand/demanded-replicas.js';
import { NO_STEPS } from '../../../../services/lib/wire/step-totals.js';
import { totalsOf } from '../report/totals.js';

const FILL = { replicas: 1, kvUsed: 100, kvCapacity: 1_000, sequences: 1 };

/** A replica that has run so many steps of each size, each `fixed + perPart * parts` seconds. */
const replica = (
  sizes: readonly number[],
  cost: { fixed: number; perPart: number },
  uptimeSeconds: number,
) => ({
  appId: 'stage-0',
  replica: 'a',
  processors: { owner: '', count: 1 },
  hops: { fromGateway: 0, toNext: 0 },
  prefill: { ...NO_STEPS, uptimeSeconds },
  decode: totalsOf(
    sizes.map((parts) => ({ parts, busy: cost.fixed + cost.perPart * parts })),
    { uptimeSeconds },
  ),
});

/** What a token is said to cost after steps of these sizes, of which it has seen the last half. */
function costAfter(sizes: readonly number[], cost: { fixed: number; perPart: number }, fill = FILL): number {
  const learned = new StageCost();
  const half = sizes.slice(0, sizes.length / 2);
  const served = sizes.slice(sizes.length / 2).reduce((sum, size) => sum + size, 0);
  learned.learn([replica(half, cost, 10)], { requests: 0, prompt: 0, output: 0 }, fill, 1);
  learned.learn([replica(sizes, cost, 20)], { requests: 0, prompt: 0, output: served }, fill, 1);
  return learned.costs(fill)!.output;
}

describe('what a token costs a stage', () => {
  const ones = Array.from({ length: 60 }, (_, index) => 1 + (index % 2));

  it('is that of the batches seen, where steps grow with their size', () => {
    expect(costAfter(ones, { fixed: 0, perPart: 0.01 })).toBeCloseTo(0.01, 6);
  });

  it('falls to that of larger batches where most of a step is fixed, as far as KV room goes', () => {
    const gpu = { fixed: 0.02, perPart: 0.0002 };
    const now = 0.02 / 1.5 + 0.0002;
    // Four times what was seen, though half the least cost is further and the room tenfold.
    expect(costAfter(ones, gpu)).toBeCloseTo(now * ((0.02 / 6 + 0.0002) / now), 6);
    expect(costAfter(ones, gpu, { ...FILL, kvUsed: 500 })).toBeCloseTo(0.02 / 3 + 0.0002, 6);
    expect(costAfter(ones, gpu, { ...FILL, kvUsed: 1_000 })).toBeCloseTo(now, 6);
  });

  it('is not guessed where all steps were alike', () => {
    const alike = Array<number>(60).fill(2);
    expect(costAfter(alike, { fixed: 0.02, perPart: 0.0002 })).toBeCloseTo(0.0102, 6);
  });

  it('is unknown until a step is told of, and learns nothing of a replica that began again', () => {
    const learned = new StageCost();
    expect(learned.costs(FILL)).toBeNull();
    const cost = { fixed: 0, perPart: 0.01 };
    learned.learn([replica(ones, cost, 100)], { requests: 0, prompt: 0, output: 10 }, FILL, 1);
    learned.learn([replica([1], cost, 1)], { requests: 0, prompt: 0, output: 10 }, FILL, 1);
    expect(learned.costs(FILL)).toBeNull();
  });
});

describe('demanded replicas', () => {
  const none = { requests: 0, prompt: 0, output: 0 };
  const demand = { arriving: { requests: 1, prompt: 100, output: 60 }, waiting: none, kvTokens: 0 };
  const stage = (change: object = {}) => ({
    costs: { prompt: 0.001, output: 0.01 },
    replicas: 1,
    kvTokens: 1_000,
    ...change,
  });

  it('count what comes, what waits, and what is held', () => {
    expect(demandedReplicas(demand, [stage()])[0]).toBeCloseTo(1, 9);
    const waiting = { requests: 10, prompt: 0, output: 1_050 };
    expect(demandedReplicas({ ...demand, waiting }, [stage()])[0]).toBeCloseTo(2, 9);
    expect(demandedReplicas({ ...demand, kvTokens: 4_500 }, [stage()])[0]).toBeCloseTo(5, 9);
    expect(demandedReplicas({ ...demand, kvTokens: 4_500 }, [stage({ kvTokens: 0 })])[0]).toBeCloseTo(1, 9);
  });

  it('are no more than the others pass on, were they doubled', () => {
    const slow = stage({ costs: { prompt: 0.01, output: 0.1 } });
    expect(demandedReplicas(demand, [stage(), slow])).toEqual([
      expect.closeTo(2 / 7, 9),
      expect.closeTo(10, 9),
    ]);
    expect(demandedReplicas(demand, [stage(), { ...slow, replicas: 3 }])[0]).toBeCloseTo(6 / 7, 9);
    expect(demandedReplicas(demand, [stage(), { ...slow, replicas: 4 }])[0]).toBeCloseTo(1, 9);
    // One at zero is about to start, and of one of which nothing is known nothing is thought.
    expect(demandedReplicas(demand, [stage(), { ...slow, replicas: 0 }])[0]).toBeCloseTo(1, 9);
    expect(demandedReplicas(demand, [stage(), null])).toEqual([expect.closeTo(1, 9), null]);
  });

  it('are none where there is nothing to do, and have a bound', () => {
    expect(demandedReplicas({ arriving: none, waiting: none, kvTokens: 0 }, [stage(), stage()])).toEqual([
      0, 0,
    ]);
    const flood = { requests: 1e9, prompt: 1e12, output: 1e12 };
    expect(demandedReplicas({ arriving: flood, waiting: none, kvTokens: 0 }, [stage()])).toEqual([1_000]);
  });

  it('go up at once and down slowly', () => {
    const peak = settle({ replicas: 1, at: 0 }, 4, 10);
    expect(peak).toEqual({ replicas: 4, at: 10 });
    expect(settle(peak, 1, 11)).toBe(peak);
    expect([11, 40, 55, 70].map((now) => levelOf(peak, now))).toEqual([4, 4, 2, 1]);
    expect(settle(peak, 2.5, 55)).toEqual({ replicas: 2.5, at: 55 });
    expect(levelOf(peak, 1e9)).toBe(0);
  });
});
