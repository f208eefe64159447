import { table } from '../../cli/tables.js';
import { spread } from '../figures/statistics.js';
import type { JaegerTrace } from '../../local/telemetry/traces.js';
import { describeMachine, ownVersion } from '../page.js';
import type { OverheadRow } from './overhead.js';
import { DELAY_MS, SLOW, type PredictionRow, type TruthRow } from './slow-stage.js';
import { traceText } from './trace.js';

/** All that was measured in one run. */
export interface Observed {
  readonly model: string;
  readonly split: readonly number[];
  readonly trace: JaegerTrace;
  readonly truth: readonly TruthRow[];
  readonly predictions: readonly PredictionRow[];
  readonly overhead: readonly OverheadRow[];
}

/** The results as Markdown, with the machine and the date; nothing of it is written by hand. */
export function resultsOf(observed: Observed, date: Date): string {
  const { cpu, cores, memoryGib, node } = describeMachine();
  return [
    `${date.toISOString().slice(0, 10)}, ${cpu}, ${cores} cores, ${memoryGib} GiB, Node.js ${node}, Layermesh ${ownVersion()}; ` +
      `${observed.model}, split ${observed.split.join()}, through Dapr, without speculation.`,
    `### One request\n\nBeside three others that run. The trace as Jaeger has it: [trace.json](observability/trace.json).\n\n` +
      `\`\`\`\n${traceText(observed.trace)}\n\`\`\``,
    `### A slow stage is what moves\n\nOne stage sleeps ${DELAY_MS} ms in each step. Mean step of each stage, ms, and the bottleneck that the report names.\n\n${truthTable(observed.truth)}`,
    `### One more replica, predicted and measured\n\nOne stage sleeps ${SLOW.perStep} ms in each step, and ${SLOW.perSequence} ms for each sequence in it. Output tokens/s of the same load.\n\n${predictionTable(observed.predictions)}`,
    `### What tracing costs\n\nEvery request traced, collector, Jaeger and Prometheus on the same processors; 16 clients, prompt 128, output 128.\n\n${overheadTable(observed.overhead)}`,
  ].join('\n\n');
}

function truthTable(rows: readonly TruthRow[]): string {
  const stages = rows[0]?.steps.map((_, index) => `stage-${index}`) ?? [];
  return table(
    ['slow', 'clients', ...stages, 'bottleneck'],
    rows.map(({ slow, clients, steps, named }) => [
      slow ?? 'none',
      String(clients),
      ...steps.map((step) => step.toFixed(1)),
      named,
    ]),
  );
}

const predictionTable = (rows: readonly PredictionRow[]): string =>
  table(
    ['slow', 'clients', 'before', 'predicted with 2', 'measured with 2', 'predicted / measured'],
    rows.map(({ stage, clients, before, predicted, measured }) => [
      stage,
      String(clients),
      before.toFixed(1),
      predicted.toFixed(1),
      measured.toFixed(1),
      (predicted / measured).toFixed(2),
    ]),
  );

function overheadTable(rows: readonly OverheadRow[]): string {
  const ratioOf = ({ on, off }: OverheadRow): number => on.tokensPerSecond / off.tokensPerSecond;
  const processorsOf = ({ on, off }: OverheadRow): number => (on.serving + on.telemetry) / off.serving;
  const lines = rows.map((row, index) => [
    String(index + 1),
    row.off.tokensPerSecond.toFixed(1),
    row.on.tokensPerSecond.toFixed(1),
    ratioOf(row).toFixed(3),
    row.off.serving.toFixed(2),
    `${row.on.serving.toFixed(2)} + ${row.on.telemetry.toFixed(2)}`,
    processorsOf(row).toFixed(3),
  ]);
  const head = ['round', 'tokens/s off', 'on', 'on / off', 'CPU s per 1k tokens off', 'on', 'on / off'];
  return (
    `${table(head, lines)}\n\nTokens/s, on against off: median ${medianText(rows.map(ratioOf))}. ` +
    `Processor time of services and sidecars, plus that of collector, Jaeger and Prometheus: median ${medianText(rows.map(processorsOf))}.`
  );
}

function medianText(values: readonly number[]): string {
  const { min, median, max } = spread(values)!;
  return `${median.toFixed(3)} (${min.toFixed(3)} to ${max.toFixed(3)})`;
}
