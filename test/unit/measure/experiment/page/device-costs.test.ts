import { deviceNames } from '../../../../../services/lib/engine/timed/device-profile.js';
import {
  priceListOf,
  priceLists,
  priceRatios,
} from '../../../../../scripts/lib/measure/experiment/prices.js';
import {
  decodeMs,
  prefillMs,
  tensorParallel,
} from '../../../../../scripts/lib/measure/experiment/references.js';
import type { Trial } from '../../../../../scripts/lib/measure/experiment/types.js';
import {
  deviceSeconds,
  devicesOf,
  dollarsOf,
  violationSeconds,
} from '../../../../../scripts/lib/measure/figures/device-costs.js';
import { undilated } from '../../../../../scripts/lib/measure/figures/undilated.js';
import { recordOf } from '../../bench/records.js';
import { lifeOf, podOf, scaleOf, seenAt } from '../seen.js';

describe('device seconds', () => {
  const trial = (lives: readonly object[]) => ({
    startedAt: 10_000,
    records: [recordOf({ sent: 0, tokens: [20_000] })],
    observations: [seenAt(10), seenAt(25)],
    lives: lives.map((life) => ({ ...lifeOf({}), ...life })),
  });

  it('are paid from the beginning of the trial, or the creation of a pod, until it is deleted or all is over', () => {
    const seconds = deviceSeconds(
      trial([
        { device: 'l4', created: 0, ended: null },
        { device: 'l4', created: 15_000, ready: 29_000, ended: 22_000 },
        { device: 'a40', created: 20_000 },
      ]),
    );
    // Over with the last token, 20 s after the beginning, not with the last look.
    expect([...seconds]).toEqual([
      ['l4', 20 + 7],
      ['a40', 10],
    ]);
  });

  it('are none of what has no device, and of what had ended or had not begun', () => {
    const seconds = deviceSeconds(
      trial([
        { device: null },
        {},
        { device: 'l4', created: 0, ended: 9_000 },
        { device: 'l4', created: 31_000, ended: null },
      ]),
    );
    expect([...seconds]).toEqual([['l4', 0]]);
  });

  it('cost what a list says, and nothing is made up that it does not have', () => {
    const list = { ...priceLists[0]!, usdPerHour: { l4: 0.72 } };
    expect(dollarsOf(new Map([['l4', 50]]), list)).toBeCloseTo(0.01);
    expect(dollarsOf(new Map([['a40', 50]]), list)).toBeNull();
  });
});

describe('prices', () => {
  it('are known of every device, each with where and when it was read', () => {
    for (const device of deviceNames) expect(priceListOf([device])).not.toBeNull();
    for (const { url, read } of priceLists) {
      expect(url).toMatch(/^https:/);
      expect(read).toMatch(/^20\d\d-\d\d-\d\d$/);
    }
  });

  it('of several devices are of one list', () => {
    expect(priceListOf(['a40', 'a100-80g'])!.name).toMatch(/RunPod/);
    expect(priceListOf(['a40', 'a100-40g'])).toBeNull();
    const [least, most] = priceRatios('a100-80g', 'l4');
    expect(least).toBeGreaterThan(2);
    expect(most).toBeGreaterThan(least!);
  });
});

it('devices of an arm are those of all its replicas', () => {
  const stage = { name: 's', min: 1, milliCpu: 0, sidecarMilliCpu: 0 };
  const stages = [
    { ...stage, max: 2, device: 'l4' },
    { ...stage, max: 1, device: 'a40', more: ['l4', 'l40s'] },
    { ...stage, max: 1 },
  ];
  expect(devicesOf({ stages })).toEqual(['l4', 'l4', 'a40', 'l4', 'l40s']);
});

it('counts the seconds in which too few requests kept the limits', () => {
  const limits = { ttft: 100, tpot: 20 };
  const sent = (second: number, ttft: number) =>
    recordOf({ sent: second * 1000, tokens: [second * 1000 + ttft] });
  const records = [
    ...Array.from({ length: 9 }, () => sent(1, 100)),
    sent(1, 101),
    sent(6, 99),
    sent(6, 300),
    sent(16, 300),
    recordOf({ sent: 22_000, error: 'failed' }),
  ];
  expect(violationSeconds(records, limits)).toBe(15);
  expect(violationSeconds(records, limits, 0.5)).toBe(10);
  expect(violationSeconds([], limits)).toBe(0);
});

it('a dilated trial undilated is as much shorter, and used as much', () => {
  const trial: Trial = {
    arm: 'a',
    load: 'l',
    site: 's',
    startedAt: 1_000,
    records: [recordOf({ sent: 500, tokens: [1_000, 2_000], promptTokens: 7 })],
    observations: [
      seenAt(11, {
        pods: [
          podOf({
            counters: { busySeconds: 5, timedSteps: 3, prefillStepSeconds: 1 },
            service: { cpuSeconds: 8, rssBytes: 9 },
          }),
        ],
        scales: [scaleOf({ ready: 2 })],
      }),
    ],
    lives: [lifeOf({ created: 0, ready: 6_000 })],
    wireBytes: null,
    machineCpuSeconds: 4,
    clientCpuSeconds: 2,
  };
  const { records, observations, lives, ...rest } = undilated(trial, 5);
  expect(records).toEqual([{ ...trial.records[0], sent: 100, tokens: [200, 400] }]);
  expect(observations[0]).toMatchObject({ at: 3_000, scales: [{ ready: 2 }] });
  expect(observations[0]!.pods[0]).toMatchObject({
    counters: { busySeconds: 1, timedSteps: 3, prefillStepSeconds: 0.2 },
    service: { cpuSeconds: 8, rssBytes: 9 },
  });
  expect(lives).toEqual([lifeOf({ created: 800, ready: 2_000 })]);
  expect(rest).toMatchObject({ startedAt: 1_000, machineCpuSeconds: 4 });
});

it('what was published of tensor parallelism is faster with more devices, less than in proportion', () => {
  const [one, two, four] = tensorParallel.map((curve) => ({
    prefill: prefillMs(curve, 2_400),
    decode: decodeMs(curve, 16, 16 * 1_200),
  }));
  for (const phase of ['prefill', 'decode'] as const) {
    expect(one![phase] / two![phase]).toBeGreaterThan(1.2);
    expect(one![phase] / two![phase]).toBeLessThan(2);
    expect(two![phase]).toBeGreaterThan(four![phase]);
  }
});
