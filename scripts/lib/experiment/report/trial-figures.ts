import { timePerOutputToken, timeToFirstToken } from '../../bench/measure/latency.js';
import { percentile, percentiles, type Percentiles } from '../../bench/measure/statistics.js';
import { throughputOf } from '../../bench/trial.js';
import type { RequestRecord } from '../../bench/types.js';
import { costsOf, thousandTokens } from '../measure/costs.js';
import type { Trial } from '../types.js';

/** Time to the last token, ms. Null when there was none. */
export function timeToLastToken({ sent, tokens }: Pick<RequestRecord, 'sent' | 'tokens'>): number | null {
  const last = tokens.at(-1);
  return last === undefined ? null : last - sent;
}

/** Of some requests; milliseconds. */
export interface RequestFigures {
  readonly requests: number;
  readonly failed: number;
  readonly ttft: Percentiles | null;
  readonly tpot: Percentiles | null;
  readonly whole: Percentiles | null;
}

export function requestFigures(records: readonly RequestRecord[]): RequestFigures {
  return {
    requests: records.length,
    failed: records.filter(({ error }) => error !== null).length,
    ttft: percentiles(records.flatMap((record) => timeToFirstToken(record) ?? [])),
    tpot: percentiles(records.flatMap((record) => timePerOutputToken(record) ?? [])),
    whole: percentiles(records.flatMap((record) => timeToLastToken(record) ?? [])),
  };
}

/** A figure by which arms are compared; less is better except of throughput. */
export interface ComparedFigure {
  readonly name: string;
  readonly moreIsBetter: boolean;
  readonly of: (trial: Trial) => number | null;
}

const GIBIBYTE = 2 ** 30;

const p = (name: string, rank: number, of: (record: RequestRecord) => number | null): ComparedFigure => ({
  name: `${name} p${rank}, ms`,
  moreIsBetter: false,
  of: ({ records }) =>
    percentile(
      records.flatMap((record) => of(record) ?? []),
      rank,
    ),
});

export const comparedFigures: readonly ComparedFigure[] = [
  p('TTFT', 50, timeToFirstToken),
  p('TTFT', 95, timeToFirstToken),
  p('TPOT', 50, timePerOutputToken),
  p('TPOT', 95, timePerOutputToken),
  p('whole request', 50, timeToLastToken),
  p('whole request', 95, timeToLastToken),
  { name: 'output tokens/s', moreIsBetter: true, of: throughputOf },
  {
    name: 'CPU seconds per 1k tokens',
    moreIsBetter: false,
    of: (trial) => costsOf(trial.observations).cpuSeconds / thousandTokens(trial),
  },
  {
    name: 'of them in sidecars',
    moreIsBetter: false,
    of: (trial) => costsOf(trial.observations).sidecarCpuSeconds / thousandTokens(trial),
  },
  {
    name: 'CPU limits held, processor seconds per 1k tokens',
    moreIsBetter: false,
    of: (trial) => costsOf(trial.observations).heldCpuSeconds / thousandTokens(trial),
  },
  {
    name: 'memory, GiB seconds per 1k tokens',
    moreIsBetter: false,
    of: (trial) => costsOf(trial.observations).memoryByteSeconds / GIBIBYTE / thousandTokens(trial),
  },
];

/**
 * Processors that everything else kept busy on the machine of the clients: where the cluster runs on it, the control
 * plane, Prometheus, and whatever has no part in the experiment. Null where that can not be told.
 */
export function otherLoad({ observations, machineCpuSeconds, clientCpuSeconds }: Trial): number | null {
  const seconds = ((observations.at(-1)?.at ?? 0) - (observations[0]?.at ?? 0)) / 1000;
  if (machineCpuSeconds === null || seconds === 0) return null;
  return Math.max(0, machineCpuSeconds - costsOf(observations).cpuSeconds - clientCpuSeconds) / seconds;
}
