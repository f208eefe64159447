import type { Observation, PodLife, Trial } from '../experiment/types.js';
import type { RequestRecord } from '../types.js';
import type { StageCounters } from './stage-counters.js';

/**
 * A trial whose modelled times took so many times as long, as it would have been: all that happened happens so many
 * times sooner after its beginning. CPU time, bytes and numbers are what they are.
 */
export function undilated(trial: Trial, dilation: number): Trial {
  const { startedAt } = trial;
  const moment = (at: number): number => startedAt + (at - startedAt) / dilation;
  return {
    ...trial,
    records: undilatedRecords(trial.records, dilation),
    observations: trial.observations.map((seen) => observation(seen, moment, dilation)),
    lives: trial.lives.map((life) => moved(life, moment)),
    ...(trial.killed && { killed: trial.killed.map((each) => ({ ...each, at: moment(each.at) })) }),
  };
}

/** The same of what clients saw, whose times count from the beginning. */
const undilatedRecords = (records: readonly RequestRecord[], dilation: number): RequestRecord[] =>
  records.map((record) => ({
    ...record,
    sent: record.sent / dilation,
    tokens: record.tokens.map((at) => at / dilation),
  }));

function observation(seen: Observation, moment: (at: number) => number, dilation: number): Observation {
  const pods = seen.pods.map((pod) => ({
    ...pod,
    counters: pod.counters === null ? null : shorter(pod.counters, dilation),
  }));
  return { ...seen, at: moment(seen.at), pods };
}

/** What a stage counts in seconds passed by the dilated clock. */
const shorter = (counters: StageCounters, dilation: number): StageCounters =>
  Object.fromEntries(
    Object.entries(counters).map(([name, value]) => [
      name,
      /seconds$/i.test(name) ? value / dilation : value,
    ]),
  ) as StageCounters;

/** Whatever of a pod's life is a moment. */
const moved = (life: PodLife, moment: (at: number) => number): PodLife =>
  Object.fromEntries(
    Object.entries(life).map(([name, value]) => [name, typeof value === 'number' ? moment(value) : value]),
  ) as unknown as PodLife;
