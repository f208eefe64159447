import { percentile } from '../../bench/measure/statistics.js';
import type { RequestRecord } from '../../bench/types.js';

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
