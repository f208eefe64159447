import { figure, table, tally } from '../../../cli/tables.js';
import { costsOf, type Costs } from '../../figures/costs.js';
import { COLORS, type LineChart, type Series } from '../../figures/line-chart.js';
import { percentileOverTime, throughputOverTime } from '../../figures/over-time.js';
import {
  byKind,
  failedOf,
  latencies,
  latencyAt,
  outputTokensOf,
  throughputOf,
  timePerOutputToken,
  timeToFirstToken,
  timeToLastToken,
  type Latency,
} from '../../figures/requests.js';
import { percentilesText, ratio } from '../../figures/statistics.js';
import type { OpenLoad } from './loads.js';
import type { ArmResults } from './measure.js';
import type { Trial } from '../types.js';

/** Seconds that a point of a figure stands for. */
const STRETCH = 5;

const ARM_COLORS: Readonly<Record<string, string>> = { a: COLORS[0], b: COLORS[1], c: COLORS[2] };

/** A part of the page, and the figures that it shows, by file name. */
export interface Section {
  readonly text: string;
  readonly charts: ReadonlyMap<string, LineChart>;
}

/** The lines of a page that show charts. */
export const shownCharts = (charts: Section['charts']): string[] =>
  [...charts].map(([file, { title }]) => `![${title}](experiment/cpu/${file}.svg)`);

/** One load: what it did to each arm, over all of it, by its phases, and over time. */
export function loadSection(load: OpenLoad, { arms, trials }: Pick<ArmResults, 'arms' | 'trials'>): Section {
  const own = trials.filter((trial) => trial.load === load.name);
  const charts = new Map([
    [`${load.name}-ttft`, ttftChart(load, own)],
    [`${load.name}-throughput`, throughputChart(load, own)],
  ]);
  const legend = arms.map(({ name, title }) => `${name}: ${title}`).join('; ');
  const parts = [`### ${load.title}`, comparison(own), phases(own), failures(own), ...shownCharts(charts)];
  return { text: [...parts, `Arms: ${legend}.`].filter((part) => part !== '').join('\n\n'), charts };
}

/** A figure by which arms are compared; less is better except of throughput. */
interface ComparedFigure {
  readonly name: string;
  readonly moreIsBetter: boolean;
  readonly of: (trial: Trial) => number | null;
}

const latency = (name: string, p: number, of: Latency): ComparedFigure => ({
  name: `${name} p${p}, ms`,
  moreIsBetter: false,
  of: (trial) => latencyAt(trial, of, p),
});

/** For each thousand output tokens. */
const cost = (name: string, of: (costs: Costs) => number): ComparedFigure => ({
  name,
  moreIsBetter: false,
  of: (trial) => of(costsOf(trial.observations)) / (outputTokensOf(trial) / 1000),
});

export const comparedFigures: readonly ComparedFigure[] = [
  latency('TTFT', 50, timeToFirstToken),
  latency('TTFT', 95, timeToFirstToken),
  latency('TPOT', 50, timePerOutputToken),
  latency('TPOT', 95, timePerOutputToken),
  latency('whole request', 50, timeToLastToken),
  latency('whole request', 95, timeToLastToken),
  { name: 'output tokens/s', moreIsBetter: true, of: throughputOf },
  cost('CPU seconds per 1k tokens', ({ cpuSeconds }) => cpuSeconds),
  cost('of them in sidecars', ({ sidecarCpuSeconds }) => sidecarCpuSeconds),
  cost('CPU limits held, processor seconds per 1k tokens', ({ heldCpuSeconds }) => heldCpuSeconds),
  cost('memory, GiB seconds per 1k tokens', ({ memoryByteSeconds }) => memoryByteSeconds / 2 ** 30),
];

/** Every figure of every arm, and how the split arms stand to the others: under 1 is better but for throughput. */
function comparison(trials: readonly Trial[]): string {
  const ratios = [
    ['b', 'a'],
    ['c', 'a'],
    ['c', 'b'],
  ] as const;
  const rows = comparedFigures.map(({ name, of }) => {
    const values = new Map(trials.map((trial) => [trial.arm, of(trial)]));
    return [
      name,
      ...trials.map(({ arm }) => figure(values.get(arm)!)),
      ...ratios.map(([arm, base]) => figure(ratio(values.get(arm) ?? null, values.get(base) ?? null))),
    ];
  });
  const others = trials.map((trial) => figure(otherLoad(trial)));
  rows.push(['processors busy with all else', ...others, ...ratios.map(() => figure(null))]);
  return table(['figure', ...trials.map(({ arm }) => arm), ...ratios.map((pair) => pair.join(' / '))], rows);
}

/**
 * Processors that everything else kept busy on the machine of the clients: where the cluster runs on it, the control
 * plane, Prometheus, and whatever has no part in the experiment. Null where that cannot be told.
 */
function otherLoad({ observations, machineCpuSeconds, clientCpuSeconds }: Trial): number | null {
  const seconds = ((observations.at(-1)?.at ?? 0) - (observations[0]?.at ?? 0)) / 1000;
  if (machineCpuSeconds === null || seconds === 0) return null;
  return Math.max(0, machineCpuSeconds - costsOf(observations).cpuSeconds - clientCpuSeconds) / seconds;
}

/** The requests of each phase of the load, by when they were sent. */
function phases(trials: readonly Trial[]): string {
  const shown = [timeToFirstToken, timePerOutputToken, timeToLastToken];
  const rows = trials.flatMap(({ arm, records: all }) =>
    byKind(all).map(({ kind, records }) => [
      arm,
      kind,
      String(records.length),
      String(failedOf({ records }).length),
      ...shown.map((of) => percentilesText(latencies({ records }, of))),
    ]),
  );
  const head = ['TTFT', 'TPOT', 'whole request'].map((name) => `${name} ms, p50 / p95 / p99`);
  return table(['arm', 'sent', 'requests', 'failed', ...head], rows);
}

function failures(trials: readonly Trial[]): string {
  const reasons = trials.flatMap((trial) => failedOf(trial).map(({ error }) => `${trial.arm}: ${error!}`));
  return reasons.length === 0 ? '' : `Failed:\n\n${tally(reasons).join('\n')}`;
}

function ttftChart({ name }: OpenLoad, trials: readonly Trial[]): LineChart {
  const ttft: Latency = (record) => ratio(timeToFirstToken(record), 1000);
  const series = trials.flatMap(({ arm, records }): Series[] =>
    [95, 50].map((p) => ({
      name: `${arm}, p${p}`,
      color: ARM_COLORS[arm]!,
      points: percentileOverTime(records, ttft, p, STRETCH),
      dashed: p === 50,
    })),
  );
  return {
    title: `${name}: time to first token, by when the request was sent`,
    xLabel: 's since the load began',
    yLabel: 's, logarithmic',
    series,
    logarithmic: true,
  };
}

function throughputChart({ name }: OpenLoad, trials: readonly Trial[]): LineChart {
  return {
    title: `${name}: output tokens a second`,
    xLabel: 's since the load began',
    yLabel: 'tokens/s',
    series: trials.map(({ arm, records }) => ({
      name: arm,
      color: ARM_COLORS[arm]!,
      points: throughputOverTime(records, STRETCH),
    })),
  };
}
