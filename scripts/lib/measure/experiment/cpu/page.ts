import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { figure, table } from '../../../cli/tables.js';
import { writeWhole } from '../../../repository.js';
import { coldStarts, limitsHeld, tokenCosts } from '../../figures/costs.js';
import { lineChart } from '../../figures/line-chart.js';
import { machineText, withSection } from '../../page.js';
import { throughputOf } from '../../figures/requests.js';
import { spreadText } from '../../figures/statistics.js';
import { mostMilliCpu } from './arms.js';
import { comparedFigures, loadSection, type Section } from './load-section.js';
import type { ArmResults, NetworkTrial } from './measure.js';
import { networkSection } from './network-section.js';
import { scalingSection } from './scaling-section.js';
import type { Arm } from '../arm.js';
import type { Plan, Trial } from '../types.js';

/** Everything that was measured, as Markdown with its figures. */
export function resultsPage(
  plan: Plan,
  results: ArmResults,
  network: readonly NetworkTrial[],
  command: string,
): Section {
  const loads = results.loads.map((load) => loadSection(load, results));
  const scaling = scalingSection(results);
  const ways = network.length === 0 ? [] : [networkSection(network)];
  const text = [
    header(plan, results, command),
    '### Budget',
    budgetTable(results),
    '### What one replica carries',
    capacityTable(results),
    ...loads.map((section) => section.text),
    '### Replicas against the ideal',
    scaling.text,
    '### Cold start',
    coldStartTable(results.trials),
    ...ways.flatMap((section) => ['### The network', section.text]),
    '### Where splitting loses',
    losses(results),
  ];
  const charts = [...loads, scaling, ...ways].flatMap((section) => [...section.charts]);
  return { text: text.join('\n\n'), charts: new Map(charts) };
}

const SECTION = 'Results on CPUs';

/** Puts the results into `experiment.md` of a folder, below what it says already, and the figures beside it. */
export function writePage({ text, charts }: Section, docs: string): void {
  const figures = join(docs, 'experiment', 'cpu');
  mkdirSync(figures, { recursive: true });
  for (const file of readdirSync(figures)) if (file.endsWith('.svg')) rmSync(join(figures, file));
  for (const [name, chart] of charts) writeWhole(join(figures, `${name}.svg`), lineChart(chart));
  const path = join(docs, 'experiment.md');
  writeWhole(path, withSection(existsSync(path) ? readFileSync(path, 'utf8') : '', SECTION, text));
}

function header({ machine, date, split }: Plan, { rate, trials }: ArmResults, command: string): string {
  return [
    `- Machine: ${machineText(machine)}`,
    `- Runs on: ${[...new Set(trials.map(({ site }) => site))].join('; ')}`,
    `- Date: ${date.slice(0, 10)}, one run of each`,
    `- Split: before layers ${split.join(' and ')}; ×1 is ${rate.toFixed(2)} requests/s`,
    `- Command: \`${command}\``,
  ].join('\n');
}

/** What each arm may spend, and that it is the same. */
function budgetTable({ arms, trials }: Pick<ArmResults, 'arms' | 'trials'>): string {
  const replicas = ({ name, min, max, milliCpu }: Arm['stages'][number]): string =>
    `${name} ${min === max ? min : `${min}–${max}`} × ${milliCpu}m`;
  const rows = arms.map((arm) => [
    `${arm.name}: ${arm.title}`,
    arm.stages.map(replicas).join(', '),
    `${mostMilliCpu(arm)}m`,
    `${mostSeen(trials.filter((trial) => trial.arm === arm.name))}m`,
  ]);
  const limits = ['replicas × CPU limit of the service', 'CPU limits in all, at most'];
  return table(['arm', ...limits, 'and seen at most'], rows);
}

/** The gateway has no limit, and is not of the budget. */
const mostSeen = (trials: readonly Trial[]): number =>
  Math.round(1000 * Math.max(0, ...trials.flatMap(({ observations }) => observations.map(limitsHeld))));

/** What one replica of each stage carries: the load and the ideal follow from it. */
function capacityTable({ single }: Pick<ArmResults, 'single'>): string {
  const rows = [
    { what: 'whole model', trial: single.a },
    { what: 'split', trial: single.c },
  ].flatMap(({ what, trial }) =>
    tokenCosts(trial).map(({ app, prompt, output }) => [
      what,
      app,
      ...[prompt * 1000, output * 1000, throughputOf(trial)].map(figure),
    ]),
  );
  const head = ['engine ms per prompt token', 'engine ms per output token', 'output tokens/s of all'];
  return table(['model', 'stage, one replica', ...head], rows);
}

/** What a new replica costs: of the whole model in arm `a`, of each stage in `b` and `c`. */
function coldStartTable(trials: readonly Trial[]): string {
  const groups = [
    { what: 'whole model', trials: trials.filter(({ arm }) => arm === 'a') },
    { what: 'split', trials: trials.filter(({ arm }) => arm !== 'a') },
  ];
  const seconds = (ms: number): string => figure(ms / 1000);
  const rows = groups.flatMap(({ what, trials: own }) =>
    coldStarts(own)
      .filter(({ app }) => app !== 'gateway')
      .map(({ app, pods, toStarted, toReady, whole }) => [
        what,
        app,
        String(pods),
        ...[toStarted, toReady, whole].map((value) => spreadText(value, seconds)),
        figure(mostMemory(own, app) / 2 ** 20),
      ]),
  );
  const spans = ['created → started', 'started → ready', 'created → ready'];
  const head = spans.map((name) => `${name} s, median (min–max)`);
  return table(['model', 'stage', 'pods', ...head, 'most memory, MiB, without sidecar'], rows);
}

function mostMemory(trials: readonly Trial[], app: string): number {
  const pods = trials.flatMap(({ observations }) => observations.flatMap((seen) => seen.pods));
  return Math.max(0, ...pods.map((pod) => (pod.app === app ? (pod.service?.rssBytes ?? 0) : 0)));
}

/** Less is noise. */
const TOLERANCE = 0.05;

/** Every figure in which a split arm is worse than the unsplit model, load by load. */
export function losses({ loads, trials }: Pick<ArmResults, 'loads' | 'trials'>): string {
  const lines = loads.flatMap(({ name: load }) =>
    ['b', 'c'].flatMap((name) => {
      const [arm, base] = [name, 'a'].map((each) =>
        trials.find((trial) => trial.arm === each && trial.load === load),
      );
      if (arm === undefined || base === undefined) return [];
      const worse = comparedFigures.flatMap(({ name: what, moreIsBetter, of }) => {
        const [value, against] = [of(arm), of(base)];
        if (!value || !against) return [];
        const factor = moreIsBetter ? against / value : value / against;
        return factor <= 1 + TOLERANCE ? [] : [`${what} ${figure(value)} against ${figure(against)}`];
      });
      return [`- ${load}, ${name} against a: ${worse.length === 0 ? 'in nothing' : worse.join('; ')}.`];
    }),
  );
  return lines.length === 0 ? 'Not measured against the unsplit model.' : lines.join('\n');
}
