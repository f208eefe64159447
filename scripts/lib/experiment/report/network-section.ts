import { timePerOutputToken, timeToFirstToken } from '../../bench/measure/latency.js';
import { percentile, sum } from '../../bench/measure/statistics.js';
import { figure, table } from '../../bench/report/table.js';
import { throughputOf } from '../../bench/trial.js';
import type { StageCounters } from '../../bench/measure/stage-counters.js';
import { NETWORK_LOADS, type NetworkTrial, type Phase } from '../network/measure-network.js';
import type { LineChart } from '../chart/line-chart.js';
import type { Trial } from '../types.js';
import type { Section } from './load-section.js';
import { STAGE_COLORS } from './series-style.js';

/** What the way between the pods costs, by mesh and delay: prefill and decode apart. */
export function networkSection(results: readonly NetworkTrial[]): Section {
  const at = (mesh: string, delayMs: number, phase: Phase): Trial | undefined =>
    results.find((each) => each.mesh === mesh && each.delayMs === delayMs && each.phase === phase)?.trial;
  const points = results.filter(({ phase }) => phase === 'prefill');
  const rows = points.map(({ mesh, delayMs, trial: prefill }) => {
    const decode = at(mesh, delayMs, 'decode');
    const [ttft, tpot] = [median(prefill, timeToFirstToken), median(decode, timePerOutputToken)];
    const [ttft0, tpot0] = [
      median(at('direct', 0, 'prefill'), timeToFirstToken),
      median(at('direct', 0, 'decode'), timePerOutputToken),
    ];
    return [
      mesh,
      String(delayMs),
      figure(ttft),
      figure(ratio(ttft, ttft0)),
      figure(tpot),
      figure(ratio(tpot, tpot0)),
      figure(decode === undefined ? null : throughputOf(decode)),
      figure(hopMs(decode)),
      String(failedOf(prefill) + failedOf(decode)),
    ];
  });
  const head = [
    'mesh',
    'added ms',
    'prefill: TTFT p50 ms',
    '/ direct 0',
    'decode: TPOT p50 ms',
    '/ direct 0',
  ];
  const latency = table([...head, 'decode: tokens/s', 'hop ms', 'failed'], rows);
  const charts = new Map([['network-tpot', tpotChart(results)]]);
  const figures = [...charts].map(([file, { title }]) => `![${title}](experiment/${file}.svg)`);
  return { text: [NETWORK_LOADS, latency, ...figures, bytesTable(at)].join('\n\n'), charts };
}

function tpotChart(results: readonly NetworkTrial[]): LineChart {
  const decode = results.filter(({ phase }) => phase === 'decode');
  const meshes = [...new Set(decode.map(({ mesh }) => mesh))];
  return {
    title: 'network: time per output token, by what is added to each message between pods',
    xLabel: 'ms added',
    yLabel: 'ms, median',
    series: meshes.map((mesh, index) => ({
      name: mesh,
      color: STAGE_COLORS[index]!,
      points: decode
        .filter((each) => each.mesh === mesh)
        .flatMap(({ delayMs, trial }) => {
          const value = median(trial, timePerOutputToken);
          return value === null ? [] : [{ at: delayMs, value }];
        }),
    })),
  };
}

/** For each token that was computed, what each app sends: the payload of its frames, and all that its pod sends. */
function bytesTable(at: (mesh: string, delayMs: number, phase: Phase) => Trial | undefined): string {
  const [prefill, decode] = [at('dapr', 0, 'prefill'), at('dapr', 0, 'decode')];
  const [plainPrefill, plainDecode] = [at('direct', 0, 'prefill'), at('direct', 0, 'decode')];
  const rows = appsOf(decode).map((app) => [
    app,
    figure(perToken(prefill, promptTokens, (trial) => grown(trial, 'bytesOut', app))),
    figure(perToken(plainPrefill, promptTokens, wire(app))),
    figure(perToken(prefill, promptTokens, wire(app))),
    figure(perToken(decode, outputTokens, (trial) => grown(trial, 'bytesOut', app))),
    figure(perToken(plainDecode, outputTokens, wire(app))),
    figure(perToken(decode, outputTokens, wire(app))),
  ]);
  const kinds = ['payload', 'wire, direct', 'wire, dapr'];
  const columns = ['prompt', 'output'].flatMap((token) =>
    kinds.map((kind) => `${kind}, bytes per ${token} token`),
  );
  return table(['sent by', ...columns], rows);
}

const promptTokens = ({ records }: Trial): number => sum(records.map((record) => record.promptTokens));
const outputTokens = ({ records }: Trial): number => sum(records.map(({ tokens }) => tokens.length));

const wire =
  (app: string) =>
  ({ wireBytes }: Trial): number =>
    wireBytes?.[app] ?? NaN;

const perToken = (
  trial: Trial | undefined,
  tokens: (trial: Trial) => number,
  bytes: (trial: Trial) => number,
): number | null => (trial === undefined ? null : bytes(trial) / tokens(trial));

const appsOf = (trial: Trial | undefined): string[] =>
  (trial?.observations.at(-1)?.pods ?? []).map(({ app }) => app).sort();

function hopMs(trial: Trial | undefined): number | null {
  if (trial === undefined) return null;
  const hops = grown(trial, 'hops');
  return hops === 0 ? null : (grown(trial, 'hopSeconds') / hops) * 1000;
}

/** Growth of a counter from the first observation to the last; over all stages where none is named. */
function grown({ observations }: Trial, name: keyof StageCounters, app?: string): number {
  const read = (index: number): number =>
    sum(
      (observations.at(index)?.pods ?? [])
        .filter((pod) => app === undefined || pod.app === app)
        .map(({ counters }) => counters?.[name] ?? 0),
    );
  return read(-1) - read(0);
}

function median(
  trial: Trial | undefined,
  of: (record: Trial['records'][number]) => number | null,
): number | null {
  return percentile(
    (trial?.records ?? []).flatMap((record) => of(record) ?? []),
    50,
  );
}

const ratio = (value: number | null, base: number | null): number | null =>
  value === null || base === null ? null : value / base;

const failedOf = (trial: Trial | undefined): number =>
  (trial?.records ?? []).filter(({ error }) => error !== null).length;
