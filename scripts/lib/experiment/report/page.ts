import type { LineChart } from '../chart/line-chart.js';
import type { ArmResults } from '../measure-arms.js';
import type { Plan } from '../types.js';
import type { NetworkTrial } from '../network/measure-network.js';
import { budgetTable, capacityTable } from './budget-table.js';
import { coldStartTable } from './cold-start-section.js';
import { loadSection } from './load-section.js';
import { losses } from './losses.js';
import { networkSection } from './network-section.js';
import { scalingSection } from './scaling-section.js';

export interface Page {
  readonly text: string;
  /** By file name without its ending. */
  readonly charts: ReadonlyMap<string, LineChart>;
}

/** Everything that was measured, as Markdown with its figures. */
export function resultsPage(
  plan: Plan,
  results: ArmResults,
  network: readonly NetworkTrial[],
  command: string,
): Page {
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

function header({ machine, date, split }: Plan, { rate, trials }: ArmResults, command: string): string {
  return [
    `- Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.flags.join(' ')}, ${machine.memoryGib} GiB, ` +
      `${machine.system}, Node ${machine.node}`,
    `- Runs on: ${[...new Set(trials.map(({ site }) => site))].join('; ')}`,
    `- Date: ${date.slice(0, 10)}, one run of each`,
    `- Split: before layers ${split.join(' and ')}; ×1 is ${rate.toFixed(2)} requests/s`,
    `- Command: \`${command}\``,
  ].join('\n');
}
