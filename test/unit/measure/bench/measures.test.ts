import {
  durationOf,
  injectionEffect,
  interTokenLatencies,
  meets,
  throughputOf,
  timePerOutputToken,
  timeToFirstToken,
  totalThroughputOf,
} from '../../../../scripts/lib/measure/figures/requests.js';
import { percentile, percentiles, spread } from '../../../../scripts/lib/measure/figures/statistics.js';
import { recordOf } from './records.js';

describe('percentiles by nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);

  it.each([
    [[7], 50, 7],
    [[3, 1, 2, 4], 50, 2],
    [[3, 1, 2, 4], 75, 3],
    [[3, 1, 2, 4], 76, 4],
    [[1, 2], 0, 1],
    [hundred, 95, 95],
    [hundred, 99, 99],
    [hundred, 100, 100],
  ])('of %j at %d is %d', (values, p, expected) => {
    expect(percentile(values, p)).toBe(expected);
  });

  it('are null where there is nothing', () => {
    expect([percentile([], 50), percentiles([]), spread([])]).toEqual([null, null, null]);
  });

  it('leave the values as they were', () => {
    const values = [3, 1, 2];
    percentiles(values);
    spread(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe('the spread of rounds', () => {
  it('has the middle value, or the mean of the two in the middle', () => {
    expect(spread([5, 1, 3])).toEqual({ min: 1, median: 3, max: 5 });
    expect(spread([10, 4, 2, 1])).toEqual({ min: 1, median: 3, max: 10 });
  });
});

describe('latencies of a request sent at 100 ms', () => {
  const record = recordOf({ sent: 100, tokens: [150, 160, 160, 190] });

  it('TTFT is from sending to the first token', () => expect(timeToFirstToken(record)).toBe(50));
  it('TPOT is (E2E − TTFT) / (tokens − 1)', () => expect(timePerOutputToken(record)).toBe(40 / 3));
  it('ITL has a gap for each arrival after the first, however many tokens come together', () =>
    expect(interTokenLatencies(record)).toEqual([10, 30]));

  it('are not there without tokens to take them between', () => {
    const none = recordOf({ sent: 100, tokens: [] });
    expect([timeToFirstToken(none), timePerOutputToken(none), interTokenLatencies(none)]).toEqual([
      null,
      null,
      [],
    ]);
    expect(timePerOutputToken(recordOf({ sent: 0, tokens: [5] }))).toBeNull();
  });
});

describe('a request is good', () => {
  const level = { ttft: 50, tpot: 10 };

  it.each([
    [true, { tokens: [50, 60, 70] }],
    [false, { tokens: [51, 60, 70] }],
    [false, { tokens: [50, 60, 71] }],
    [true, { tokens: [50] }],
    [false, { tokens: [] }],
    [false, { tokens: [50, 60], error: 'HTTP 429' }],
  ])('%s: %j', (good, record) => {
    expect(meets(level, recordOf(record))).toBe(good);
  });
});

describe('throughput', () => {
  const trial = {
    records: [
      recordOf({ sent: 500, promptTokens: 10, tokens: [1_000, 1_500] }),
      recordOf({ sent: 1_000, promptTokens: 30, tokens: [2_000, 2_500] }),
      recordOf({ sent: 1_100, promptTokens: 50, tokens: [], error: 'HTTP 429' }),
    ],
  };

  it('counts from the first sending to the last token', () => expect(durationOf(trial)).toBe(2));
  it('of output is what arrived', () => expect(throughputOf(trial)).toBe(2));
  it('in total has the prompts that were taken in', () => expect(totalThroughputOf(trial)).toBe(22));
  it('of nothing is 0', () => expect(throughputOf({ records: [] })).toBe(0));
});

describe('the effect of a long prompt', () => {
  const records = [
    recordOf({ kind: 'alone', sent: 0, tokens: [200] }),
    recordOf({ kind: 'running', sent: 300, tokens: [400, 410, 420, 490, 500, 510] }),
    recordOf({ kind: 'running', sent: 300, tokens: [405, 415, 425, 495, 505] }),
    recordOf({ kind: 'injected', sent: 422, tokens: [722] }),
  ];

  it('compares gaps that overlap its prefill with those of the whole request, and its TTFT with that alone', () => {
    expect(injectionEffect(records)).toEqual({
      runningP50: 10,
      disturbedP99: 70,
      aloneTtft: 200,
      injectedTtft: 300,
    });
  });

  it('is unknown when a part has failed', () => {
    const failed = recordOf({ kind: 'injected', sent: 422, tokens: [], error: 'HTTP 429' });
    expect(injectionEffect([...records.slice(0, 3), failed])).toBeNull();
    expect(injectionEffect(records.slice(1))).toBeNull();
  });
});
