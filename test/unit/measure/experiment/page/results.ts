import type { Arm } from '../../../../../scripts/lib/measure/experiment/arm.js';
import type { MapCell } from '../../../../../scripts/lib/measure/experiment/simulate/map.js';
import type { Outcome, ScenarioLoad } from '../../../../../scripts/lib/measure/experiment/scenario.js';
import type { RequestRecord } from '../../../../../scripts/lib/measure/types.js';
import { recordOf } from '../../bench/records.js';
import { lifeOf, seenAt } from '../seen.js';

/** A cell of what matters to a test; of the whole model where it does not say. */
export const cellOf = (what: Partial<MapCell>): MapCell => ({
  shape: 'llama-2-13b',
  device: 'l40s',
  memoryGB: 48,
  arm: 'whole',
  stages: 1,
  hopMs: 0,
  hopName: '',
  prompt: 1_200,
  output: 100,
  kneePerDevice: 1,
  tokensPerDeviceSecond: 100,
  ttftMs: 300,
  tpotMs: 60,
  ratioToWhole: 1,
  breakEvenPriceRatio: 2,
  scale: 1,
  ...what,
});

/** The whole model, and a split in two at hops with ratios to it. */
export const splitCells = (
  device: string,
  whole: number,
  ratios: readonly (readonly [hopMs: number, ratio: number])[],
): MapCell[] => [
  cellOf({ device, kneePerDevice: whole }),
  ...ratios.map(([hopMs, ratio]) =>
    cellOf({
      device,
      arm: 'split-2',
      stages: 2,
      hopMs,
      hopName: 'Dapr',
      kneePerDevice: ratio * whole,
      ratioToWhole: ratio,
    }),
  ),
];

/** An emulated arm of so many stages on so many devices in all. */
export function armWith(what: {
  readonly name: string;
  readonly stages: number;
  readonly count: number;
  readonly mesh?: Arm['mesh'];
  readonly device?: string;
  readonly min?: number;
}): Arm {
  const { name, stages, count, mesh = 'dapr', device = 'l40s' } = what;
  const max = count / stages;
  return {
    name,
    title: `${name} of ${stages}`,
    split: Array.from({ length: stages - 1 }, (_, index) => index + 1),
    stages: Array.from({ length: stages }, (_, index) => ({
      name: `stage-${index}`,
      min: what.min ?? max,
      max,
      milliCpu: 0,
      sidecarMilliCpu: 0,
      device,
    })),
    mesh,
    emulated: { shape: 'llama-2-13b', start: null, storageGBps: null, dilation: 5, hopMs: 0 },
  };
}

const LEVELS = [0.5, 1, 1.2, 2, 2.6, 4].map((rate) => ({ name: `at-${rate}`, rate, duration: 10 }));
const PER_LEVEL = 10;

export const loadOf = (seed = 1): ScenarioLoad => ({
  name: `1200-seed-${seed}`,
  group: '1200',
  limits: { ttft: 2_000, tpot: 200 },
  seed,
  levels: LEVELS,
  arrivals: LEVELS.flatMap(({ name }, index) =>
    Array.from({ length: PER_LEVEL }, (_, nth) => ({
      kind: name,
      at: index * 10 + nth,
      promptTokens: 1_200,
      outputTokens: 100,
    })),
  ),
});

/** What keeps the limits up to a rate: nine of ten there, and none above. */
export function outcomeOf(arm: Arm, knee: number, seed = 1): Outcome {
  const load = loadOf(seed);
  const records = load.arrivals.map((arrival, index): RequestRecord => {
    const sent = arrival.at * 1000;
    const { rate } = LEVELS.find(({ name }) => name === arrival.kind)!;
    const late = rate > knee || (rate === knee && index % PER_LEVEL === 0);
    const first = sent + (late ? 5_000 : 500);
    const { kind, promptTokens, outputTokens } = arrival;
    return recordOf({ kind, promptTokens, outputTokens, sent, tokens: [first, first + 100] });
  });
  return {
    arm,
    load,
    measured: {
      arm: arm.name,
      load: load.name,
      site: 'a cluster',
      startedAt: 0,
      records,
      observations: [seenAt(0), seenAt(60)],
      lives: [lifeOf({ app: 'stage-0' })],
      wireBytes: null,
      machineCpuSeconds: null,
      clientCpuSeconds: 0,
    },
    simulated: { records },
  };
}
