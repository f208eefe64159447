import { armOf, singleArms } from '../../../../scripts/lib/measure/experiment/cpu/arms.js';
import { openLoad } from '../../../../scripts/lib/measure/experiment/cpu/loads.js';
import type { ArmResults, NetworkTrial } from '../../../../scripts/lib/measure/experiment/cpu/measure.js';
import { lineChart } from '../../../../scripts/lib/measure/figures/line-chart.js';
import { losses, resultsPage } from '../../../../scripts/lib/measure/experiment/cpu/page.js';
import { networkSection } from '../../../../scripts/lib/measure/experiment/cpu/network-section.js';
import type { Plan, Trial } from '../../../../scripts/lib/measure/experiment/types.js';
import { recordOf } from '../bench/records.js';
import { lifeOf, podOf, scaleOf, seenAt } from './seen.js';

const budget = { split: [6], serviceMilliCpu: 200, sidecarMilliCpu: 100 };
const load = openLoad('step', { rate: 2, duration: 9, seed: 1 });

/** Every request is answered with two tokens, the first `ttft` ms after it was sent. */
function trialOf(arm: string, ttft: number, more: Partial<Trial> = {}): Trial {
  const pods = (used: number) => [
    podOf({ app: 'gateway', counters: null, service: { cpuSeconds: used, rssBytes: 2 ** 30 } }),
    podOf({ app: 'stage-0', counters: { busySeconds: used, decodeStepSeconds: used, bytesOut: 64 * used } }),
  ];
  return {
    arm,
    load: 'step',
    site: 'somewhere',
    startedAt: 0,
    records: load.arrivals.map(({ at, kind, promptTokens }) => {
      const sent = at * 1000;
      return recordOf({ kind, promptTokens, sent, tokens: [sent + ttft, sent + ttft + 20] });
    }),
    observations: [0, 5, 9].map((second) =>
      seenAt(second, { pods: pods(second), scales: [scaleOf({ app: 'stage-0' })] }),
    ),
    machineCpuSeconds: 30,
    clientCpuSeconds: 3,
    wireBytes: { gateway: 640, 'stage-0': 6_400 },
    lives: [lifeOf({ name: `${arm}-pod`, created: 0, started: 1_000, ready: 4_000 })],
    ...more,
  };
}

const plan: Plan = {
  ...budget,
  duration: 9,
  seed: 1,
  machine: { cpu: 'a CPU', cores: 2, flags: [], memoryGib: 4, system: 'linux', node: 'v20' },
  date: '2026-11-27T08:00:00Z',
};

const results: ArmResults = {
  arms: [armOf('a', budget, [1, 1]), armOf('c', budget, [1, 1])],
  loads: [load],
  trials: [trialOf('a', 100), trialOf('c', 150)],
  single: { a: trialOf(singleArms(budget).a.name, 100), c: trialOf(singleArms(budget).c.name, 100) },
  rate: 2,
};

describe('the page', () => {
  const { text, charts } = resultsPage(plan, results, [], 'npm run experiment');

  it('names the machine, the site, the date and the command', () => {
    for (const part of ['a CPU, 2 cores', 'somewhere', '2026-11-27', '`npm run experiment`']) {
      expect(text).toContain(part);
    }
  });

  it('shows every figure that it draws, and draws every one that it shows', () => {
    const shown = [...text.matchAll(/\]\(experiment\/cpu\/(.*?)\.svg\)/g)].map(([, name]) => name);
    expect(shown.sort()).toEqual([...charts.keys()].sort());
    expect(shown).toContain('step-replicas-c');
    for (const chart of charts.values()) expect(lineChart(chart)).not.toMatch(/NaN|Infinity/);
  });

  it('compares the arms', () => {
    expect(text).toMatch(/\| TTFT p95, ms +\| 100 +\| 150 +\| – +\| 1\.50 +\| – +\|/);
    expect(text).toMatch(/\| processors busy with all else +\| 2\.00 +\| 2\.00 +\|/);
    expect(text).toMatch(/\| whole model \| stage-0 +\| 1 +\| 1\.00 \(1\.00–1\.00\) +\| 3\.00 /);
  });
});

it('says where splitting loses, and where not', () => {
  expect(losses(results)).toMatch(/^- step, c against a: TTFT p50, ms 150 against 100; /);
  const same = { ...results, trials: [trialOf('a', 100), trialOf('c', 100)] };
  expect(losses(same)).toBe('- step, c against a: in nothing.');
  expect(losses({ ...results, trials: [trialOf('c', 100)] })).toBe('Not measured against the unsplit model.');
});

it('the network section tells prefill and decode apart, against direct without delay', () => {
  const at = (mesh: 'direct' | 'dapr', delayMs: number, ttft: number): NetworkTrial[] => {
    const trial = trialOf(`net-${mesh}`, ttft);
    return [
      { mesh, delayMs, phase: 'prefill', trial },
      { mesh, delayMs, phase: 'decode', trial },
    ];
  };
  const { text: section, charts } = networkSection([
    ...at('direct', 0, 100),
    ...at('dapr', 0, 130),
    ...at('dapr', 5, 200),
  ]);
  expect(charts.get('network-tpot')!.series.map(({ name, points }) => [name, points.length])).toEqual([
    ['direct', 1],
    ['dapr', 2],
  ]);
  expect(section).toMatch(/\| dapr +\| 5 +\| 200 +\| 2\.00 +\| 20\.0 +\| 1\.00 /);
  const requests = load.arrivals.length;
  const perPrompt = (bytes: number): string => (bytes / requests / 64).toPrecision(3);
  const perOutput = (bytes: number): string => (bytes / requests / 2).toPrecision(3);
  const bytes = [perPrompt(64 * 9), perPrompt(6_400), perPrompt(6_400), perOutput(64 * 9), perOutput(6_400)];
  const cells = section
    .split('\n')
    .find((line) => line.startsWith('| stage-0'))!
    .split(/ *\| */);
  expect(cells.slice(2, 7)).toEqual(bytes);
});
