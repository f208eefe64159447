import type { StageBounds } from '../experiment/arm.js';
import type { Arrival, RequestRecord } from '../types.js';
import { workOf, type TokenCost } from './costs.js';
import { percentile } from './statistics.js';

/** A value of each stretch of time, at its middle; seconds since the load began. */
export interface TimePoint {
  readonly at: number;
  readonly value: number;
}

/** Output tokens a second, by when they came. */
export function throughputOverTime(records: readonly RequestRecord[], stretch: number): TimePoint[] {
  const times = records.flatMap(({ tokens }) => tokens.map((time) => time / 1000));
  const counts = new Map<number, number>();
  for (const time of times) {
    const index = Math.floor(time / stretch);
    counts.set(index, (counts.get(index) ?? 0) + 1);
  }
  return Array.from({ length: Math.max(-1, ...counts.keys()) + 1 }, (_, index) => ({
    at: (index + 0.5) * stretch,
    value: (counts.get(index) ?? 0) / stretch,
  }));
}

/**
 * The percentile `p` of a figure of the requests sent in each stretch; where none was sent, or none has the figure, there
 * is no point.
 */
export function percentileOverTime(
  records: readonly RequestRecord[],
  figure: (record: RequestRecord) => number | null,
  p: number,
  stretch: number,
): TimePoint[] {
  const byStretch = new Map<number, number[]>();
  for (const record of records) {
    const value = figure(record);
    if (value === null) continue;
    const index = Math.floor(record.sent / 1000 / stretch);
    byStretch.set(index, [...(byStretch.get(index) ?? []), value]);
  }
  return [...byStretch]
    .sort(([one], [other]) => one - other)
    .map(([index, values]) => ({ at: (index + 0.5) * stretch, value: percentile(values, p)! }));
}

/** Seconds over which the offered load is averaged. */
const LOAD_WINDOW = 5;

interface IdealPoint {
  /** Seconds since the load began. */
  readonly at: number;
  readonly replicas: number;
}

/**
 * How many replicas of a stage could just carry what is asked of it at each second: the seconds of one engine that the
 * arrivals around that moment cost, per second, rounded up. At least one, for no stage may be without; not more than
 * the budget allows. It knows no queue: an ideal system would have none.
 */
export function idealReplicas(
  arrivals: readonly Arrival[],
  cost: TokenCost,
  { min, max }: Pick<StageBounds, 'min' | 'max'>,
  duration: number,
): IdealPoint[] {
  return Array.from({ length: Math.ceil(duration) }, (_, at) => {
    const [from, to] = [Math.max(0, at - LOAD_WINDOW / 2), Math.min(duration, at + LOAD_WINDOW / 2)];
    const near = arrivals.filter((arrival) => arrival.at >= from && arrival.at < to);
    const replicas = Math.ceil(workOf(near, cost) / (to - from));
    return { at, replicas: Math.min(max, Math.max(min, 1, replicas)) };
  });
}

/** Replica-seconds too few and too many against the ideal; each point of it holds for a second. */
export function deviation(
  ideal: readonly IdealPoint[],
  readyAt: (second: number) => number,
): { readonly missing: number; readonly spare: number } {
  let [missing, spare] = [0, 0];
  for (const { at, replicas } of ideal) {
    const difference = readyAt(at) - replicas;
    if (difference < 0) missing -= difference;
    else spare += difference;
  }
  return { missing, spare };
}
