import type { ServiceLevel } from '../measure/goodput.js';
import { injectionEffect } from '../measure/injection.js';
import { spread } from '../measure/statistics.js';
import type { Trial } from '../trial.js';
import type { Arm, Load } from '../types.js';
import { ratioOf } from './ratios.js';
import { latenciesOf, summarize } from './summarize.js';
import { figure, percent, percentilesText, spreadText, table } from './table.js';
import { processTable, stageTable } from './usage-tables.js';

export interface ReportOptions {
  readonly arms: readonly Pick<Arm, 'name' | 'peer'>[];
  readonly level: ServiceLevel;
}

/** Everything about one load, as Markdown. */
export function loadReport(load: Load, all: readonly Trial[], { arms, level }: ReportOptions): string {
  const measured = all.filter((trial) => trial.load === load.name);
  const present = arms.filter(({ name }) => measured.some(({ arm }) => arm === name));
  const byArm = new Map(present.map(({ name }) => [name, measured.filter(({ arm }) => arm === name)]));
  const parts = [
    `### ${load.title}`,
    throughputTable(byArm, level),
    latencyTable(byArm),
    injectionTable(byArm),
    ratioTable(present, byArm),
    stageTable(byArm),
    processTable(byArm),
    failures(byArm),
  ];
  return parts.filter((part) => part !== null).join('\n\n');
}

export type TrialsByArm = ReadonlyMap<string, readonly Trial[]>;

function throughputTable(byArm: TrialsByArm, level: ServiceLevel): string {
  const head = [
    'arm',
    'requests',
    'failed',
    'output tokens/s',
    'total tokens/s',
    'good requests/s',
    'good',
    'CPU s per 1k',
    'client’s',
    'others’ load',
  ];
  const rows = [...byArm].map(([arm, trials]) => {
    const summary = summarize(arm, trials, level);
    return [
      arm,
      String(summary.requests),
      String(summary.failed),
      spreadText(summary.output),
      spreadText(summary.total),
      figure(summary.goodput),
      percent(summary.attainment),
      figure(summary.cpuPerThousand),
      figure(summary.clientCpuPerThousand),
      percent(summary.otherLoad),
    ];
  });
  return table(head, rows);
}

function latencyTable(byArm: TrialsByArm): string {
  const rows = [...byArm].flatMap(([arm, trials]) =>
    latenciesOf(trials.flatMap(({ records }) => records)).map(({ kind, ttft, itl, tpot }) => [
      arm,
      kind,
      ...[ttft, itl, tpot].map(percentilesText),
    ]),
  );
  return table(['p50 / p95 / p99, ms', 'of', 'TTFT', 'ITL', 'TPOT'], rows);
}

function injectionTable(byArm: TrialsByArm): string | null {
  const rows = [...byArm].flatMap(([arm, trials]) => {
    const effects = trials.flatMap(({ records }) => injectionEffect(records) ?? []);
    if (effects.length === 0) return [];
    const of = (value: (effect: (typeof effects)[number]) => number): string =>
      spreadText(spread(effects.map(value)));
    return [
      [
        arm,
        of(({ runningP50 }) => runningP50),
        of(({ disturbedP99 }) => disturbedP99),
        of(({ disturbedP99, runningP50 }) => disturbedP99 / runningP50),
        of(({ aloneTtft }) => aloneTtft),
        of(({ injectedTtft }) => injectedTtft),
        of(({ aloneTtft, injectedTtft }) => injectedTtft / aloneTtft),
      ],
    ];
  });
  const head = [
    'long prompt, ms',
    'ITL p50 of the running',
    'their p99 meanwhile',
    'ratio',
    'TTFT alone',
    'TTFT beside them',
    'ratio',
  ];
  return rows.length === 0 ? null : table(head, rows);
}

/** What an arm costs against a simpler one of ours, by the names that `--arms` takes. */
const TAXES = [
  { name: 'split tax', arm: 'direct', base: 'unsplit' },
  { name: 'mesh tax', arm: 'dapr', base: 'direct' },
  { name: 'both', arm: 'dapr', base: 'unsplit' },
];

function ratioTable(arms: ReportOptions['arms'], byArm: TrialsByArm): string | null {
  const [own, peers] = [arms.filter(({ peer }) => !peer), arms.filter(({ peer }) => peer)];
  const pairs = [
    ...TAXES,
    { name: '', arm: 'dapr', base: 'dapr-plain' },
    ...own.flatMap(({ name: arm }) => peers.map(({ name: base }) => ({ name: '', arm, base }))),
  ].filter(({ arm, base }) => byArm.has(arm) && byArm.has(base));
  const rows = pairs.map(({ name, arm, base }) => {
    const { output, ttft, tpot } = ratioOf(byArm.get(arm)!, byArm.get(base)!);
    const label = name === '' ? `${arm} / ${base}` : `${name}: ${arm} / ${base}`;
    return [
      label,
      spreadText(output),
      output === null || name === '' ? '' : percent(1 - output.median),
      ...[ttft, tpot].map((each) => spreadText(each)),
    ];
  });
  const head = ['ratio, median (min–max)', 'output tokens/s', 'tax', 'TTFT p50', 'TPOT p50'];
  return rows.length === 0 ? null : table(head, rows);
}

/** Each reason why requests failed, and how often. */
function failures(byArm: TrialsByArm): string | null {
  const reasons = [...byArm].flatMap(([arm, trials]) =>
    trials.flatMap(({ records }) =>
      records.flatMap(({ error }) => (error === null ? [] : `${arm}: ${error}`)),
    ),
  );
  const lines = [...new Set(reasons)].map(
    (reason) => `- ${reasons.filter((each) => each === reason).length} × ${reason}`,
  );
  return lines.length === 0 ? null : ['Failed:', ...lines].join('\n');
}
