import {
  coldStarts,
  costsOf,
  integral,
  tokenCosts,
  workOf,
} from '../../../../scripts/lib/measure/figures/costs.js';
import {
  deviation,
  idealReplicas,
  percentileOverTime,
  throughputOverTime,
} from '../../../../scripts/lib/measure/figures/over-time.js';
import { countersOver } from '../../../../scripts/lib/measure/figures/stage-counters.js';
import { recordOf } from '../bench/records.js';
import { lifeOf, podOf, seenAt } from './seen.js';

const used = (cpuSeconds: number, rssBytes: number) => ({ cpuSeconds, rssBytes });

describe('what a trial used', () => {
  const observations = [
    seenAt(0, {
      pods: [podOf({ name: 'old', cpuLimit: 0.5, service: used(10, 100), sidecar: used(1, 10) })],
    }),
    seenAt(1, {
      pods: [
        podOf({ name: 'old', cpuLimit: 0.5, service: used(12, 200), sidecar: used(2, 20) }),
        podOf({ name: 'new', cpuLimit: 1, service: used(3, 1000) }),
      ],
    }),
    seenAt(3, {
      pods: [
        podOf({ name: 'new', service: used(4, 1000) }),
        podOf({ name: 'starting', service: null, sidecar: null }),
      ],
    }),
  ];

  it('counts pods that were there from their first reading, and new ones from their birth', () => {
    expect(costsOf(observations)).toMatchObject({ cpuSeconds: 2 + 1 + 4, sidecarCpuSeconds: 1 });
  });

  it('holds memory until the next observation', () => {
    expect(costsOf(observations).memoryByteSeconds).toBe(110 * 1 + 1220 * 2);
  });

  it('holds the limits of its pods, used or not', () => {
    expect(costsOf(observations).heldCpuSeconds).toBe(0.5 * 1 + 1.5 * 2);
  });

  it('is nothing where nothing was seen', () => {
    expect(costsOf([])).toEqual({
      cpuSeconds: 0,
      sidecarCpuSeconds: 0,
      heldCpuSeconds: 0,
      memoryByteSeconds: 0,
    });
    expect(integral([seenAt(5)], () => 7)).toBe(0);
  });
});

describe('what one replica carries', () => {
  const before = { prefillStepSeconds: 1, decodeStepSeconds: 10 };
  const trial = {
    records: [recordOf({ promptTokens: 30, tokens: [1, 2, 3] }), recordOf({ promptTokens: 10, tokens: [1] })],
    observations: [
      seenAt(0, { pods: [podOf({ app: 'gateway', counters: null }), podOf({ counters: before })] }),
      seenAt(9, {
        pods: [
          podOf({ app: 'gateway', counters: null }),
          podOf({ counters: { prefillStepSeconds: 3, decodeStepSeconds: 12 } }),
        ],
      }),
    ],
  };

  it('is told by the time of its engine for prompts and for outputs', () => {
    expect(tokenCosts(trial)).toEqual([{ app: 'stage-0', prompt: 2 / 40, output: 2 / 4 }]);
  });

  it('makes work of requests', () => {
    const request = { kind: 'request', promptTokens: 10, outputTokens: 4 };
    expect(workOf([request, request], { app: 'stage-0', prompt: 0.1, output: 0.5 })).toBe(6);
  });
});

describe('the ideal number of replicas', () => {
  const cost = { app: 'stage-0', prompt: 0, output: 0.1 };
  const everySecond = (from: number, to: number, outputTokens: number) =>
    Array.from({ length: to - from }, (_, index) => {
      return { at: from + index + 0.5, kind: 'x', promptTokens: 1, outputTokens };
    });

  it('is what the offered load takes, rounded up, and follows it', () => {
    const arrivals = [...everySecond(0, 20, 5), ...everySecond(20, 40, 25)];
    const ideal = idealReplicas(arrivals, cost, { min: 1, max: 9 }, 40).map(({ replicas }) => replicas);
    expect([ideal[10], ideal[30]]).toEqual([1, 3]);
    expect(ideal).toHaveLength(40);
    expect([...ideal].sort()).toEqual(ideal);
  });

  it('is at least one, and within the budget', () => {
    expect(idealReplicas([], cost, { min: 0, max: 9 }, 2).map(({ replicas }) => replicas)).toEqual([1, 1]);
    const [point] = idealReplicas(everySecond(0, 5, 1000), cost, { min: 1, max: 4 }, 5);
    expect(point!.replicas).toBe(4);
  });

  it('is missed by replica seconds too few and too many', () => {
    const ideal = [1, 3, 3, 1].map((replicas, at) => ({ at, replicas }));
    expect(deviation(ideal, (second) => [1, 1, 2, 3][second]!)).toEqual({ missing: 3, spare: 2 });
  });
});

describe('over time', () => {
  const records = [
    recordOf({ sent: 0, tokens: [1_000, 4_000] }),
    recordOf({ sent: 4_900, tokens: [11_000] }),
    recordOf({ sent: 6_000 }),
  ];

  it('tokens count when they came', () => {
    expect(throughputOverTime(records, 5)).toEqual([
      { at: 2.5, value: 0.4 },
      { at: 7.5, value: 0 },
      { at: 12.5, value: 0.2 },
    ]);
    expect(throughputOverTime([], 5)).toEqual([]);
  });

  it('latencies count when the request was sent', () => {
    const first = ({ sent, tokens }: (typeof records)[number]) => (tokens[0] ?? null) && tokens[0]! - sent;
    expect(percentileOverTime(records, first, 95, 5)).toEqual([{ at: 2.5, value: 6_100 }]);
  });
});

describe('what stages counted in a trial', () => {
  const seen = (at: number, ...pods: readonly (readonly [name: string, busySeconds: number | null])[]) =>
    seenAt(at, {
      pods: pods.map(([name, busySeconds]) =>
        podOf({
          name,
          counters: busySeconds === null ? null : { busySeconds, timedSteps: 10 * busySeconds },
        }),
      ),
    });
  const counted = (...observations: ReturnType<typeof seen>[]) =>
    countersOver(observations).map(({ name, counters }) => [name, counters.busySeconds, counters.timedSteps]);

  it('is that of pods that were there from their first reading, and of new ones from their birth', () => {
    const observations = [
      seen(0, ['old', 100], ['unread', null]),
      seen(1, ['old', 101], ['unread', 50], ['new', 2]),
      seen(2, ['old', 104], ['unread', 53], ['new', 3]),
    ];
    expect(counted(...observations)).toEqual([
      ['old', 4, 40],
      ['unread', 3, 30],
      ['new', 3, 30],
    ]);
  });

  it('goes on where a process of the same name began anew', () => {
    const observations = [
      seen(0, ['killed', 100]),
      seen(1, ['killed', 104]),
      seen(2, ['killed', null]),
      seen(3, ['killed', 1]),
      seen(4, ['killed', 3]),
    ];
    expect(counted(...observations)).toEqual([['killed', 4 + 3, 70]]);
  });
});

it('a cold start is taken of every pod once, and only of those that came to be ready', () => {
  const ready = lifeOf({ name: 'one', created: 1_000, scheduled: 1_000, started: 3_000, ready: 7_000 });
  const never = lifeOf({ name: 'two', created: 2_000, scheduled: 2_000 });
  const [start] = coldStarts([{ lives: [ready] }, { lives: [ready, never] }]);
  const exactly = (value: number) => ({ min: value, median: value, max: value });
  expect(start).toEqual({
    app: 'stage-0',
    pods: 1,
    toStarted: exactly(2_000),
    toReady: exactly(4_000),
    whole: exactly(6_000),
  });
});
