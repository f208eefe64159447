import { figure, percent, table, tally } from '../../cli/tables.js';
import { durationOf, injectionEffect, outputTokensOf, type ServiceLevel } from '../figures/requests.js';
import { phaseMeans, total, type Phase, type StageCounters } from '../figures/stage-counters.js';
import { percentilesText, spread, spreadText, sum } from '../figures/statistics.js';
import type { Arm, Load, Trial } from '../types.js';
import type { RunHeader } from './rows.js';
import { machineText } from '../page.js';
import { latenciesOf, ratioOf, summarize } from './summarize.js';

export interface ReportOptions {
  readonly arms: readonly Pick<Arm, 'name' | 'peer'>[];
  readonly level: ServiceLevel;
  /** Of a timed engine, what it emulates. */
  readonly engine?: string | null;
}

/** What one must know to judge the tables below it, as Markdown. */
export function headerText(run: RunHeader): string {
  const { machine, model, engine, date, rounds, versions, level, command } = run;
  const named = Object.entries(versions).map(([arm, version]) => `${arm} is ${version}`);
  return [
    `- Machine: ${machineText(machine)}`,
    `- Model: ${model}`,
    ...(typeof engine === 'string' ? [`- Engine: ${engine}`] : []),
    `- Date: ${date.slice(0, 10)}; ${rounds} rounds; ${named.join('; ')}`,
    `- Good: TTFT ≤ ${level.ttft} ms and TPOT ≤ ${level.tpot} ms`,
    `- Command: \`${command}\``,
  ].join('\n');
}

/** Everything about one load, as Markdown. */
export function loadReport(
  load: Load,
  all: readonly Trial[],
  { arms, level, engine }: ReportOptions,
): string {
  const measured = all.filter((trial) => trial.load === load.name);
  const present = arms.filter(({ name }) => measured.some(({ arm }) => arm === name));
  const byArm = new Map(present.map(({ name }) => [name, measured.filter(({ arm }) => arm === name)]));
  const parts = [
    `### ${load.title}${typeof engine === 'string' ? `: ${engine}` : ''}`,
    throughputTable(byArm, level),
    latencyTable(byArm),
    injectionTable(byArm),
    ratioTable(present, byArm),
    stageTable(byArm),
    processTable(byArm),
    failures(measured),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

type TrialsByArm = ReadonlyMap<string, readonly Trial[]>;

/** Empty where there are no rows. */
const tableOf = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  rows.length === 0 ? '' : table(head, rows);

function throughputTable(byArm: TrialsByArm, level: ServiceLevel): string {
  const columns = [
    'arm',
    'requests',
    'failed',
    'output tokens/s',
    'total tokens/s',
    'good requests/s',
    'good',
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
  return table([...columns, 'CPU s per 1k', 'client’s', 'others’ load'], rows);
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

function injectionTable(byArm: TrialsByArm): string {
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
  const itl = ['ITL p50 of the running', 'their p99 meanwhile', 'ratio'];
  return tableOf(['long prompt, ms', ...itl, 'TTFT alone', 'TTFT beside them', 'ratio'], rows);
}

/** What an arm costs against a simpler one of ours, by the names that `--arms` takes. */
const TAXES = [
  { name: 'split tax', arm: 'direct', base: 'unsplit' },
  { name: 'mesh tax', arm: 'dapr', base: 'direct' },
  { name: 'both', arm: 'dapr', base: 'unsplit' },
];

function ratioTable(arms: ReportOptions['arms'], byArm: TrialsByArm): string {
  const [own, peers] = [arms.filter(({ peer }) => !peer), arms.filter(({ peer }) => peer)];
  const pairs = [
    ...TAXES,
    { name: '', arm: 'dapr', base: 'dapr-plain' },
    ...own.flatMap(({ name: arm }) => peers.map(({ name: base }) => ({ name: '', arm, base }))),
  ].filter(({ arm, base }) => byArm.has(arm) && byArm.has(base));
  const rows = pairs.map(({ name, arm, base }) => {
    const { output, ttft, tpot } = ratioOf(byArm.get(arm)!, byArm.get(base)!);
    const label = name === '' ? `${arm} / ${base}` : `${name}: ${arm} / ${base}`;
    const tax = output === null || name === '' ? '' : percent(1 - output.median);
    return [label, spreadText(output), tax, spreadText(ttft), spreadText(tpot)];
  });
  return tableOf(['ratio, median (min–max)', 'output tokens/s', 'tax', 'TTFT p50', 'TPOT p50'], rows);
}

/** What each layer service did, from its own metrics: means over the measured time. */
function stageTable(byArm: TrialsByArm): string {
  const rows = [...byArm].flatMap(([arm, trials]) => {
    const seconds = sum(trials.map(durationOf));
    return grouped(trials.flatMap(({ usage }) => usage.stages)).map(([name, stages]) => {
      const counters = stages.map((stage) => stage.counters).reduce(total);
      const { hops, hopSeconds, bytesOut, busySeconds } = counters;
      return [
        arm,
        name,
        percent(busySeconds / seconds),
        phaseText(counters, 'prefill'),
        phaseText(counters, 'decode'),
        figure(hops === 0 ? null : (hopSeconds / hops) * 1000),
        figure(bytesOut / 1000 / sum(trials.map(outputTokensOf))),
      ];
    });
  });
  const phase = 'steps × sequences, step ms, queue ms';
  const head = ['arm', 'stage', 'busy', `prefill: ${phase}`, `decode: ${phase}`, 'hop ms', 'kB out a token'];
  return tableOf(head, rows);
}

function phaseText(counters: StageCounters, phase: Phase): string {
  const means = phaseMeans(counters, phase);
  if (means === null) return '–';
  const { steps, sequences, stepMs, queueMs } = means;
  return `${steps} × ${figure(sequences)}, ${figure(stepMs)}, ${figure(queueMs)}`;
}

/** CPU and memory of every process that serves. */
function processTable(byArm: TrialsByArm): string {
  const rows = [...byArm].flatMap(([arm, trials]) => {
    const seconds = sum(trials.map(durationOf));
    const thousands = sum(trials.map(outputTokensOf)) / 1000;
    return grouped(trials.flatMap(({ usage }) => usage.processes)).map(([name, used]) => {
      const cpu = sum(used.map(({ cpuSeconds }) => cpuSeconds));
      const mainThread = sum(used.map(({ mainThreadSeconds }) => mainThreadSeconds));
      const memory = Math.max(...used.map(({ rssBytes }) => rssBytes)) / (1 << 20);
      const shares = [percent(cpu / seconds), percent(mainThread / seconds)];
      return [arm, name, figure(cpu / thousands), ...shares, figure(memory)];
    });
  });
  return tableOf(['arm', 'process', 'CPU s per 1k', 'CPU', 'of it main thread', 'RSS MiB'], rows);
}

/** Things of one name together, by name. */
function grouped<Thing extends { readonly name: string }>(things: readonly Thing[]): [string, Thing[]][] {
  const names = [...new Set(things.map(({ name }) => name))].sort();
  return names.map((name) => [name, things.filter((thing) => thing.name === name)]);
}

/** Each reason why requests failed, and how often. */
function failures(trials: readonly Trial[]): string {
  const reasons = trials.flatMap(({ arm, records }) =>
    records.flatMap(({ error }) => (error === null ? [] : `${arm}: ${error}`)),
  );
  return reasons.length === 0 ? '' : ['Failed:', ...tally(reasons)].join('\n');
}
