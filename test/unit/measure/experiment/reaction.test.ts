import { reactionsOf } from '../../../../scripts/lib/measure/figures/reaction.js';
import type { Observation, PodView } from '../../../../scripts/lib/measure/experiment/types.js';
import { lifeOf, podOf, scaleOf, seenAt } from './seen.js';

/** The load rises at second 10; its replica is all busy from second 12 on. */
function story(second: number): Observation {
  const busySeconds = Math.max(0, second - 11) + 0.2 * Math.min(second, 11);
  const pods: PodView[] = [podOf({ name: 'first', counters: { busySeconds, decodeSteps: 9 } })];
  if (second >= 18)
    pods.push(
      podOf({ name: 'second', counters: second >= 25 ? { decodeSteps: 4, firstSequenceSeconds: 0.4 } : {} }),
    );
  const metrics = [{ name: 'demand', value: second >= 15 ? 1.9 : 0.2, target: 1 }];
  const idle = scaleOf({ app: 'stage-1', metrics: [{ name: 'demand', value: 0.1, target: 1 }] });
  return seenAt(second, { pods, scales: [scaleOf({ desired: second >= 17 ? 2 : 1, metrics }), idle] });
}

const seconds = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);
const born = lifeOf({ name: 'second', created: 17_000, scheduled: 18_000, started: 20_000, ready: 23_000 });
const old = lifeOf({ name: 'first', created: 1_000, scheduled: 1_000, started: 1_000, ready: 1_500 });

describe('a reaction', () => {
  it('is taken apart from the breach to the first token of the new replica', () => {
    const trial = { observations: seconds(0, 30).map(story), lives: [old, born] };
    expect(reactionsOf(trial, 10_000)).toEqual([
      {
        app: 'stage-0',
        breach: 3_000,
        visible: 5_000,
        decided: 7_000,
        scheduled: 8_000,
        ready: 13_000,
        serving: 15_000,
        unused: 400,
      },
    ]);
  });

  it('begins with the metric where that is ahead of the engines', () => {
    const ahead = seconds(0, 30).map((second) => {
      const seen = story(second);
      const metrics = [{ name: 'demand', value: second >= 11 ? 1.9 : 0.2, target: 1 }];
      return {
        ...seen,
        scales: seen.scales.map((scale) => (scale.app === 'stage-0' ? { ...scale, metrics } : scale)),
      };
    });
    expect(reactionsOf({ observations: ahead, lives: [old, born] }, 10_000)).toEqual([
      expect.objectContaining({ breach: 1_000, visible: 1_000, decided: 7_000 }),
    ]);
  });

  it('ends where it was not seen to go on', () => {
    const trial = { observations: seconds(0, 16).map(story), lives: [old] };
    expect(reactionsOf(trial, 10_000)).toEqual([
      expect.objectContaining({
        visible: 5_000,
        decided: null,
        scheduled: null,
        ready: null,
        serving: null,
        unused: null,
      }),
    ]);
  });

  it('is none where no target is breached, or nothing scales', () => {
    const calm = { observations: seconds(0, 11).map(story), lives: [old] };
    expect(reactionsOf(calm, 5_000)).toEqual([]);
    const fixed = seconds(0, 30).map((second) => ({ ...story(second), scales: [scaleOf({})] }));
    expect(reactionsOf({ observations: fixed, lives: [old] }, 10_000)).toEqual([]);
    expect(reactionsOf({ observations: [], lives: [] }, 0)).toEqual([]);
  });
});
