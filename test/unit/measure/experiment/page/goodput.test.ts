import {
  kneeOf,
  kneeSpread,
  sharesOf,
  type Knee,
  type LevelShare,
} from '../../../../../scripts/lib/measure/figures/goodput.js';
import { recordOf } from '../../bench/records.js';

const limits = { ttft: 100, tpot: 20 };
const level = (name: string, rate: number) => ({ name, rate, duration: 10 });

const shares = (...of: readonly (readonly [rate: number, share: number])[]): LevelShare[] =>
  of.map(([rate, share]) => ({ ...level(String(rate), rate), requests: 100, share }));

it('counts of each level what was answered in full and in time', () => {
  const records = [
    recordOf({ kind: 'low', tokens: [100, 120] }),
    recordOf({ kind: 'low', tokens: [101, 102] }),
    recordOf({ kind: 'high', tokens: [50, 71] }),
    recordOf({ kind: 'high', tokens: [50], error: 'broke off' }),
    recordOf({ kind: 'warm-up', tokens: [1] }),
  ];
  const levels = [level('high', 2), level('low', 1), level('never sent', 3)];
  expect(sharesOf(records, levels, limits)).toEqual([
    { ...level('low', 1), requests: 2, share: 0.5 },
    { ...level('high', 2), requests: 2, share: 0 },
  ]);
});

describe('the knee', () => {
  it('lies on the line between the last level that is served well and the next', () => {
    expect(kneeOf(shares([1, 1], [2, 1], [4, 0.8]))).toEqual({ rate: 3, outside: null });
    expect(kneeOf(shares([1, 1], [2, 1], [4, 0.8]), 0.99)!.rate).toBeCloseTo(2.1);
  });

  it('is the first: what a higher level happens to keep does not count', () => {
    expect(kneeOf(shares([1, 1], [2, 0.8], [3, 0.95]))).toEqual({ rate: 1.5, outside: null });
  });

  it('is at a level that keeps just what is required', () => {
    expect(kneeOf(shares([1, 0.9], [2, 0.5]))).toEqual({ rate: 1, outside: null });
  });

  it('says where it was not between the levels', () => {
    expect(kneeOf(shares([1, 0.5], [2, 0]))).toEqual({ rate: 1, outside: 'below' });
    expect(kneeOf(shares([1, 1], [2, 0.95]))).toEqual({ rate: 2, outside: 'above' });
    expect(kneeOf([])).toBeNull();
  });

  it('of several seeds has a median and a spread, and what was outside stays so', () => {
    const knee = (rate: number, outside: Knee['outside'] = null): Knee => ({ rate, outside });
    expect(kneeSpread([knee(3), knee(4, 'above'), null, knee(1)])).toEqual({
      least: knee(1),
      median: knee(3),
      most: knee(4, 'above'),
    });
    expect(kneeSpread([knee(1), knee(1, 'below')])!.least).toEqual(knee(1, 'below'));
    expect(kneeSpread([null])).toBeNull();
  });
});
