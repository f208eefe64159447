import { PEERS, WORKLOADS } from '../../../../scripts/lib/measure/bench/options.js';
import { loadsOf } from '../../../../scripts/lib/measure/bench/loads.js';
import {
  randomPrompts,
  randomTokens,
  sharedPrefixPrompts,
  sharedPrefixWorkload,
} from '../../../../scripts/lib/measure/loads/prompts.js';
import type { Arrival } from '../../../../scripts/lib/measure/types.js';
import {
  codeBurstsWorkload,
  conversationWorkload,
  evenTable,
  valueAt,
} from '../../../../scripts/lib/measure/loads/traces.js';
import { exponential, gamma, poisson, stepWorkload } from '../../../../scripts/lib/measure/loads/arrivals.js';
import { createRandom } from '../../../../services/lib/sampling/random.js';

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const variance = (values: readonly number[]): number => {
  const middle = mean(values);
  return mean(values.map((value) => (value - middle) ** 2));
};

/** Coefficient of variation of the gaps. */
function burstiness(times: readonly number[]): number {
  const gaps = times.slice(1).map((time, index) => time - times[index]!);
  return Math.sqrt(variance(gaps)) / mean(gaps);
}

/** Index of dispersion: variance over mean of the arrivals in windows of so many seconds. */
function dispersion(times: readonly number[], window: number): number {
  const counts = Array<number>(Math.floor(times.at(-1)! / window)).fill(0);
  for (const time of times) {
    const index = Math.floor(time / window);
    if (index < counts.length) counts[index]! += 1;
  }
  return variance(counts) / mean(counts);
}

const timesOf = (arrivals: readonly Arrival[]): number[] => arrivals.map(({ at }) => at);
const draws = (draw: () => number): number[] => Array.from({ length: 40_000 }, draw);

describe('variates', () => {
  it('exponential has mean 1 and variance 1', () => {
    const random = createRandom(1);
    const values = draws(() => exponential(random));
    expect(mean(values)).toBeCloseTo(1, 1);
    expect(variance(values)).toBeCloseTo(1, 1);
  });

  it.each([0.5, 0.96, 1, 4])('gamma of shape %d has mean 1 and variance 1 / shape', (shape) => {
    const random = createRandom(3);
    const values = draws(() => gamma(random, shape));
    expect(mean(values)).toBeCloseTo(1, 1);
    expect(variance(values) * shape).toBeCloseTo(1, 1);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
  });
});

describe('a quantile table', () => {
  const table = evenTable([0, 10, 30]);

  it.each([
    [0, 0],
    [0.25, 5],
    [0.5, 10],
    [0.75, 20],
    [1, 30],
  ])('at %d is %d', (quantile, value) => {
    expect(valueAt(table, quantile)).toBe(value);
  });
});

it('Poisson arrivals have their rate, a CV of 1 and a dispersion of 1', () => {
  const times = poisson(createRandom(5), 10, 0, 1_000);
  expect(times.length / 1_000).toBeCloseTo(10, 0);
  expect(burstiness(times)).toBeCloseTo(1, 1);
  expect(dispersion(times, 1)).toBeCloseTo(1, 0);
  const later = poisson(createRandom(5), 10, 100, 200);
  expect([later[0]! >= 100, later.at(-1)! < 200]).toEqual([true, true]);
});

it('a step has four times the rate in its second third', () => {
  const arrivals = stepWorkload({ rate: 5, duration: 900, seed: 6, promptTokens: 1, outputTokens: 1 });
  const rates = ['before', 'during', 'after'].map(
    (kind) => arrivals.filter((arrival) => arrival.kind === kind).length / 300,
  );
  expect(rates.map(Math.round)).toEqual([5, 20, 5]);
  const during = timesOf(arrivals.filter(({ kind }) => kind === 'during'));
  expect([during[0]! >= 300, during.at(-1)! < 600]).toEqual([true, true]);
});

// At the trace's own rate, length and sizes; the expected values are those of the real one.
describe('traces', () => {
  const unscaled = { promptDivisor: 1, outputDivisor: 1 };

  it('a conversation-like hour is as bursty, and its texts as long, as the real one', () => {
    const arrivals = conversationWorkload({ rate: 5.53, duration: 3_502, seed: 7, ...unscaled });
    const times = timesOf(arrivals);
    expect(times.length / 19_366).toBeCloseTo(1, 1);
    expect(burstiness(times)).toBeCloseTo(1.09, 1);
    expect(dispersion(times, 1)).toBeCloseTo(1.4, 0);
    expect(Math.abs(dispersion(times, 60) - 20.6)).toBeLessThan(6);
    expect(mean(arrivals.map(({ promptTokens }) => promptTokens)) / 1_155).toBeCloseTo(1, 1);
    expect(mean(arrivals.map(({ outputTokens }) => outputTokens)) / 211).toBeCloseTo(1, 1);
  });

  it('code-like hours come in bursts as the real one does', () => {
    const hours = [1, 2, 3, 4, 5].map((seed) =>
      codeBurstsWorkload({ rate: 2.57, duration: 3_436, seed, ...unscaled }),
    );
    const over = (measure: (hour: Arrival[]) => number): number => mean(hours.map(measure));
    expect(Math.abs(over(({ length }) => length) - 8_819)).toBeLessThan(1_200);
    expect(Math.abs(over((hour) => burstiness(timesOf(hour))) - 13.15)).toBeLessThan(1);
    expect(Math.abs(over((hour) => dispersion(timesOf(hour), 60)) - 160)).toBeLessThan(30);
    expect(over((hour) => mean(hour.map(({ promptTokens }) => promptTokens))) / 2_048).toBeCloseTo(1, 1);
    // Between 99 % and the maximum the table is coarse, so that the mean is above the real 27.9.
    expect(Math.abs(over((hour) => mean(hour.map(({ outputTokens }) => outputTokens))) - 32)).toBeLessThan(5);
  });

  it('are stretched to a rate and a duration, and their texts shortened', () => {
    const scaled = { promptDivisor: 8, outputDivisor: 4, rate: 2, duration: 600, seed: 9 };
    for (const workload of [conversationWorkload, codeBurstsWorkload]) {
      const arrivals = workload(scaled);
      expect(arrivals.length).toBeGreaterThan(600);
      expect(arrivals.length).toBeLessThan(2_400);
      expect(timesOf(arrivals)).toEqual([...timesOf(arrivals)].sort((one, other) => one - other));
      expect(arrivals.at(-1)!.at).toBeLessThan(600);
      for (const { promptTokens, outputTokens } of arrivals) {
        expect([
          promptTokens >= 1 && promptTokens <= 1_757,
          outputTokens >= 1 && outputTokens <= 475,
        ]).toEqual([true, true]);
      }
    }
  });
});

describe('prompts', () => {
  it('are exact, seeded and share no beginning', () => {
    const [one, same, other] = [randomTokens(1), randomTokens(1), randomTokens(2)];
    const prompts = Array.from({ length: 50 }, () => one(128));
    expect(prompts.map(({ length }) => length)).toEqual(Array(50).fill(128));
    expect(Array.from({ length: 50 }, () => same(128))).toEqual(prompts);
    expect(other(128)).not.toEqual(prompts[0]);
    const planned = { kind: 'request', promptTokens: 128, outputTokens: 1 };
    expect(randomPrompts(1)(planned)).toEqual(prompts[0]);
    expect(new Set(prompts.map((prompt) => prompt.slice(0, 4).join())).size).toBe(50);
    const ids = prompts.flat();
    expect([Math.min(...ids) >= 300, Math.max(...ids) < 32_000]).toEqual([true, true]);
  });
});

it('a second prompt shares the beginning of the first, and no more; the next pair shares nothing with it', () => {
  const options = { sharedTokens: 1_000, ownTokens: 28, outputTokens: 1 };
  const schedule = sharedPrefixWorkload(options, 2);
  if (schedule.type !== 'closed') throw new Error('it is no closed loop');
  expect(schedule.clients).toBe(1);
  const prompts = schedule.requests.map(sharedPrefixPrompts(1, options));
  expect(prompts.map(({ length }) => length)).toEqual([1_028, 1_028, 1_028, 1_028]);
  const common = (one: number[], other: number[]) => one.findIndex((id, at) => id !== other[at]);
  expect(common(prompts[0]!, prompts[1]!)).toBe(1_000);
  expect(common(prompts[2]!, prompts[3]!)).toBe(1_000);
  expect(common(prompts[1]!, prompts[2]!)).toBeLessThan(3);
});

describe('loads', () => {
  const options = {
    duration: 60,
    promptTokens: 128,
    outputTokens: 64,
    longPromptTokens: 2_000,
    sharedTokens: 1_000,
    requests: 2,
    rounds: 2,
    seed: 1,
    smoke: false,
  };
  const names = (more: Partial<Parameters<typeof loadsOf>[0]>): string[] =>
    loadsOf({ ...options, ...more }).map(({ name }) => name);

  it('are what was asked for', () => {
    expect(names({})).toEqual(['closed-1', 'closed-4', 'closed-16']);
    expect(names({ concurrency: [2], rate: [3] })).toEqual(['closed-2', 'poisson-3']);
    expect(names({ rate: [0.5] })).toEqual(['poisson-0.5']);
    expect(names({ workload: 'sweep' })).toEqual(['poisson-0.5', 'poisson-1', 'poisson-2', 'poisson-4']);
    expect(names({ workload: 'long-prompt' })).toEqual(['long-prompt-8']);
    expect(names({ workload: 'shared-prefix' })).toEqual(['shared-prefix']);
    expect(names({ workload: 'rewrite' })).toEqual(['rewrite-1']);
    expect(names({ smoke: true, workload: 'step' })).toEqual(['closed-2']);
  });

  it('hold for the bars what they are computed from, of each arm no more', () => {
    const loads = loadsOf({ ...options, workload: 'bars' });
    const of = (arm: string) =>
      loads.filter(({ arms }) => arms?.includes(arm) ?? true).map(({ name }) => name);
    const growing = ['closed-1', 'closed-2', 'closed-4', 'closed-8', 'closed-16', 'closed-32'];
    expect(of('dapr')).toEqual([...growing, 'long-prompt-8', 'shared-prefix', 'rewrite-1']);
    expect(of('dapr-plain')).toEqual([...growing, 'long-prompt-8', 'rewrite-1']);
    expect(of('direct')).toEqual(['closed-1', 'closed-16', 'closed-32']);
    expect(of('unsplit')).toEqual(['closed-16']);
    for (const peer of PEERS) expect(of(peer)).toEqual(['closed-1', 'closed-4', 'closed-16', 'closed-32']);
  });

  it('give each client its requests, and a few when there are few clients', () => {
    const counts = loadsOf({ ...options, concurrency: [1, 16] }).map((load) => {
      const schedule = load.schedule(1);
      return schedule.type === 'closed' ? schedule.requests.length : null;
    });
    expect(counts).toEqual([12, 32]);
  });

  it.each(WORKLOADS)('%s is the same for a seed, another in another round, and says its size', (workload) => {
    const make = () => loadsOf({ ...options, workload }).at(-1)!;
    const [load, same] = [make(), make()];
    for (const round of [1, 2]) {
      const schedule = load.schedule(round);
      expect(same.schedule(round)).toEqual(schedule);
      const requests =
        schedule.type === 'open'
          ? schedule.arrivals
          : schedule.type === 'closed'
            ? schedule.requests
            : [schedule.alone, ...schedule.running, schedule.injected];
      expect(requests.length).toBeGreaterThan(0);
      for (const { promptTokens, outputTokens } of requests) {
        expect(promptTokens + outputTokens).toBeLessThanOrEqual(load.size.tokens);
      }
    }
    const open = load.schedule(1).type === 'open';
    expect(open).toBe(['sweep', 'step', 'conversation', 'code-bursts'].includes(workload));
    if (open) expect(load.schedule(2)).not.toEqual(load.schedule(1));
  });
});
