import { timeToFirstToken } from '../../bench/measure/latency.js';
import { figure, percentilesText, table } from '../../bench/report/table.js';
import type { LineChart, Series } from '../chart/line-chart.js';
import type { ArmResults } from '../measure-arms.js';
import type { OpenLoad } from '../loads.js';
import { percentileOverTime, throughputOverTime } from '../measure/over-time.js';
import type { Trial } from '../types.js';
import { ARM_COLORS } from './series-style.js';
import { comparedFigures, otherLoad, requestFigures } from './trial-figures.js';

/** Seconds that a point of a figure stands for. */
const STRETCH = 5;

/** A part of the page, and the figures that it shows, by file name. */
export interface Section {
  readonly text: string;
  readonly charts: ReadonlyMap<string, LineChart>;
}

/** One load: what it did to each arm, over all of it, by its phases, and over time. */
export function loadSection(load: OpenLoad, { arms, trials }: Pick<ArmResults, 'arms' | 'trials'>): Section {
  const own = trials.filter((trial) => trial.load === load.name);
  const charts = new Map([
    [`${load.name}-ttft`, ttftChart(load, own)],
    [`${load.name}-throughput`, throughputChart(load, own)],
  ]);
  const text = [
    `### ${load.title}`,
    comparison(own),
    phases(own),
    failures(own),
    ...[...charts].map(([file, { title }]) => `![${title}](experiment/${file}.svg)`),
  ];
  const legend = arms.map(({ name, title }) => `${name}: ${title}`).join('; ');
  return { text: [...text, `Arms: ${legend}.`].filter((part) => part !== '').join('\n\n'), charts };
}

/** Every figure of every arm, and how the split arms stand to the others: under 1 is better but for throughput. */
function comparison(trials: readonly Trial[]): string {
  const ratios = [
    ['b', 'a'],
    ['c', 'a'],
    ['c', 'b'],
  ] as const;
  const rows = comparedFigures.map(({ name, of }) => {
    const values = new Map(trials.map((trial) => [trial.arm, of(trial)]));
    const ratio = (arm: string, base: string): number | null => {
      const [value, against] = [values.get(arm) ?? null, values.get(base) ?? null];
      return value === null || against === null ? null : value / against;
    };
    return [
      name,
      ...trials.map(({ arm }) => figure(values.get(arm)!)),
      ...ratios.map(([arm, base]) => figure(ratio(arm, base))),
    ];
  });
  const others = trials.map((trial) => figure(otherLoad(trial)));
  rows.push(['processors busy with all else', ...others, ...ratios.map(() => '–')]);
  return table(['figure', ...trials.map(({ arm }) => arm), ...ratios.map((pair) => pair.join(' / '))], rows);
}

/** The requests of each phase of the load, by when they were sent. */
function phases(trials: readonly Trial[]): string {
  const rows = trials.flatMap(({ arm, records }) =>
    [...new Set(records.map(({ kind }) => kind))].map((kind) => {
      const { requests, failed, ttft, tpot, whole } = requestFigures(
        records.filter((record) => record.kind === kind),
      );
      const latencies = [ttft, tpot, whole].map(percentilesText);
      return [arm, kind, String(requests), String(failed), ...latencies];
    }),
  );
  const head = ['TTFT', 'TPOT', 'whole request'].map((name) => `${name} ms, p50 / p95 / p99`);
  return table(['arm', 'sent', 'requests', 'failed', ...head], rows);
}

function failures(trials: readonly Trial[]): string {
  const counts = new Map<string, number>();
  for (const { arm, records } of trials) {
    for (const { error } of records) {
      if (error !== null) counts.set(`${arm}: ${error}`, (counts.get(`${arm}: ${error}`) ?? 0) + 1);
    }
  }
  const lines = [...counts].map(([what, count]) => `- ${count} × ${what}`);
  return lines.length === 0 ? '' : `Failed:\n\n${lines.join('\n')}`;
}

function ttftChart({ name }: OpenLoad, trials: readonly Trial[]): LineChart {
  const series = trials.flatMap(({ arm, records }): Series[] =>
    [95, 50].map((p) => ({
      name: `${arm}, p${p}`,
      color: ARM_COLORS[arm]!,
      points: percentileOverTime(records, timeToFirstToken, p, STRETCH).map(({ at, value }) => ({
        at,
        value: value / 1000,
      })),
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
