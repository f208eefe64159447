import { figure, table } from '../../../cli/tables.js';
import { COLORS, type LineChart } from '../../figures/line-chart.js';
import {
  failedOf,
  latencyAt,
  outputTokensOf,
  promptTokensOf,
  throughputOf,
  timePerOutputToken,
  timeToFirstToken,
  type Latency,
} from '../../figures/requests.js';
import type { Phase, StageCounters } from '../../figures/stage-counters.js';
import { ratio, sum } from '../../figures/statistics.js';
import { shownCharts, type Section } from './load-section.js';
import { NETWORK_LOADS, type NetworkTrial } from './measure.js';
import type { Trial } from '../types.js';

/** A trial by its mesh, delay and phase, where it was measured. */
type Find = (mesh: string, delayMs: number, phase: Phase) => Trial | undefined;

/** What the way between the pods costs, by mesh and delay: prefill and decode apart. */
export function networkSection(results: readonly NetworkTrial[]): Section {
  const find: Find = (mesh, delayMs, phase) =>
    results.find((each) => each.mesh === mesh && each.delayMs === delayMs && each.phase === phase)?.trial;
  const ttft = (trial: Trial | undefined): number | null => median(trial, timeToFirstToken);
  const tpot = (trial: Trial | undefined): number | null => median(trial, timePerOutputToken);
  const points = results.filter(({ phase }) => phase === 'prefill');
  const rows = points.map(({ mesh, delayMs, trial: prefill }) => {
    const decode = find(mesh, delayMs, 'decode');
    const figures = [
      ttft(prefill),
      ratio(ttft(prefill), ttft(find('direct', 0, 'prefill'))),
      tpot(decode),
      ratio(tpot(decode), tpot(find('direct', 0, 'decode'))),
      decode === undefined ? null : throughputOf(decode),
      hopMs(decode),
    ];
    const failed = [prefill, decode].flatMap((trial) => (trial === undefined ? [] : failedOf(trial)));
    return [mesh, String(delayMs), ...figures.map(figure), String(failed.length)];
  });
  const prefill = ['prefill: TTFT p50 ms', '/ direct 0'];
  const decode = ['decode: TPOT p50 ms', '/ direct 0', 'decode: tokens/s', 'hop ms'];
  const latency = table(['mesh', 'added ms', ...prefill, ...decode, 'failed'], rows);
  const charts = new Map([['network-tpot', tpotChart(results)]]);
  return { text: [NETWORK_LOADS, latency, ...shownCharts(charts), bytesTable(find)].join('\n\n'), charts };
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
      color: COLORS[index]!,
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
function bytesTable(find: Find): string {
  const phases = [
    { phase: 'prefill', tokensOf: promptTokensOf },
    { phase: 'decode', tokensOf: outputTokensOf },
  ] as const;
  const apps =
    find('dapr', 0, 'decode')
      ?.observations.at(-1)
      ?.pods.map(({ app }) => app) ?? [];
  const rows = apps.sort().map((app) => [
    app,
    ...phases.flatMap(({ phase, tokensOf }) => {
      const perToken = (mesh: string, bytes: (trial: Trial) => number): string => {
        const trial = find(mesh, 0, phase);
        return figure(trial === undefined ? null : bytes(trial) / tokensOf(trial));
      };
      const wire = ({ wireBytes }: Trial): number => wireBytes?.[app] ?? NaN;
      const payload = (trial: Trial): number => grown(trial, 'bytesOut', app);
      return [perToken('dapr', payload), perToken('direct', wire), perToken('dapr', wire)];
    }),
  ]);
  const kinds = ['payload', 'wire, direct', 'wire, dapr'];
  const columns = ['prompt', 'output'].flatMap((token) =>
    kinds.map((kind) => `${kind}, bytes per ${token} token`),
  );
  return table(['sent by', ...columns], rows);
}

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

const median = (trial: Trial | undefined, of: Latency): number | null =>
  trial === undefined ? null : latencyAt(trial, of, 50);
