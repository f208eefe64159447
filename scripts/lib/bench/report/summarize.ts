import { meets, type ServiceLevel } from '../measure/goodput.js';
import { interTokenLatencies, timePerOutputToken, timeToFirstToken } from '../measure/latency.js';
import { percentiles, spread, sum, type Percentiles, type Spread } from '../measure/statistics.js';
import { durationOf, outputTokensOf, throughputOf, totalThroughputOf, type Trial } from '../trial.js';
import type { RequestRecord } from '../types.js';

/** One arm under one load over all rounds. */
export interface Summary {
  readonly arm: string;
  readonly requests: number;
  readonly failed: number;
  /** Tokens a second, of the rounds. */
  readonly output: Spread | null;
  readonly total: Spread | null;
  /** Requests that meet the service level: a second, and of all. */
  readonly goodput: number;
  readonly attainment: number;
  /** CPU seconds per 1000 output tokens of everything that serves; null where its processes are not known. */
  readonly cpuPerThousand: number | null;
  readonly clientCpuPerThousand: number;
  /** Mean number of processors that others kept busy. */
  readonly otherLoad: number | null;
}

export function summarize(arm: string, trials: readonly Trial[], level: ServiceLevel): Summary {
  const records = trials.flatMap((trial) => trial.records);
  const thousands = sum(trials.map(outputTokensOf)) / 1000;
  const seconds = sum(trials.map(durationOf));
  const good = records.filter((record) => meets(level, record)).length;
  const usages = trials.map(({ usage }) => usage);
  const others = usages.map(({ otherSeconds }) => otherSeconds);
  const cpu = sum(usages.flatMap(({ processes }) => processes.map(({ cpuSeconds }) => cpuSeconds)));
  return {
    arm,
    requests: records.length,
    failed: records.filter(({ error }) => error !== null).length,
    output: spread(trials.map(throughputOf)),
    total: spread(trials.map(totalThroughputOf)),
    goodput: good / seconds,
    attainment: good / records.length,
    cpuPerThousand: usages.some(({ processes }) => processes.length > 0) ? cpu / thousands : null,
    clientCpuPerThousand: sum(usages.map(({ clientSeconds }) => clientSeconds)) / thousands,
    otherLoad: others.includes(null) ? null : sum(others.map((value) => value ?? 0)) / seconds,
  };
}

/** Of the requests of one kind, over all rounds; milliseconds. */
export interface Latencies {
  readonly kind: string;
  readonly ttft: Percentiles | null;
  readonly itl: Percentiles | null;
  readonly tpot: Percentiles | null;
}

export function latenciesOf(records: readonly RequestRecord[]): Latencies[] {
  const kinds = [...new Set(records.map(({ kind }) => kind))];
  return kinds.map((kind) => {
    const some = records.filter((record) => record.kind === kind);
    return {
      kind,
      ttft: percentiles(some.flatMap((record) => timeToFirstToken(record) ?? [])),
      itl: percentiles(some.flatMap(interTokenLatencies)),
      tpot: percentiles(some.flatMap((record) => timePerOutputToken(record) ?? [])),
    };
  });
}
