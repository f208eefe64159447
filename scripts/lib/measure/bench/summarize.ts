import {
  byKind,
  durationOf,
  failedOf,
  interTokenLatencies,
  latencies,
  latencyAt,
  meets,
  outputTokensOf,
  throughputOf,
  timePerOutputToken,
  timeToFirstToken,
  totalThroughputOf,
  type Latency,
  type ServiceLevel,
} from '../figures/requests.js';
import { percentiles, ratio, spread, sum, type Spread } from '../figures/statistics.js';
import type { RequestRecord, Trial } from '../types.js';

/** One arm under one load over all rounds. */
export function summarize(arm: string, trials: readonly Trial[], level: ServiceLevel) {
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
    failed: failedOf({ records }).length,
    /** Tokens a second, of the rounds. */
    output: spread(trials.map(throughputOf)),
    total: spread(trials.map(totalThroughputOf)),
    /** Requests that meet the service level: a second, and of all. */
    goodput: good / seconds,
    attainment: good / records.length,
    /** CPU seconds per 1000 output tokens of everything that serves; null where its processes are not known. */
    cpuPerThousand: usages.some(({ processes }) => processes.length > 0) ? cpu / thousands : null,
    clientCpuPerThousand: sum(usages.map(({ clientSeconds }) => clientSeconds)) / thousands,
    /** Mean number of processors that others kept busy. */
    otherLoad: others.includes(null) ? null : sum(others.map((value) => value ?? 0)) / seconds,
  };
}

/** Of the requests of each kind, over all rounds; milliseconds. */
export const latenciesOf = (records: readonly RequestRecord[]) =>
  byKind(records).map(({ kind, records: own }) => ({
    kind,
    ttft: latencies({ records: own }, timeToFirstToken),
    itl: percentiles(own.flatMap(interTokenLatencies)),
    tpot: latencies({ records: own }, timePerOutputToken),
  }));

/** One arm beside another under one load: each figure is a ratio within a round, and its spread over the rounds. */
export function ratioOf(arm: readonly Trial[], base: readonly Trial[]) {
  const of = (figure: (trial: Trial) => number | null): Spread | null =>
    spread(
      arm.flatMap((trial) => {
        const other = base.find(({ round }) => round === trial.round);
        return (other && ratio(figure(trial), figure(other) || null)) ?? [];
      }),
    );
  const median = (latency: Latency) => of((trial) => latencyAt(trial, latency, 50));
  return {
    output: of(throughputOf),
    ttft: median(timeToFirstToken),
    tpot: median(timePerOutputToken),
    cpu: of(cpuPerThousand),
  };
}

/** CPU seconds of all that serves, per 1000 output tokens; null where its processes are not known. */
function cpuPerThousand(trial: Trial): number | null {
  const { processes } = trial.usage;
  if (processes.length === 0) return null;
  return sum(processes.map(({ cpuSeconds }) => cpuSeconds)) / (outputTokensOf(trial) / 1000);
}

export type Ratio = ReturnType<typeof ratioOf>;
