import { figure, NONE } from '../../cli/tables.js';

/** The nearest-rank percentile, `p` from 0 to 100: the smallest value that at least `p` % do not exceed. */
export function percentile(values: readonly number[], p: number): number | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)]!;
}

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export function percentiles(values: readonly number[]): Percentiles | null {
  if (values.length === 0) return null;
  return { p50: percentile(values, 50)!, p95: percentile(values, 95)!, p99: percentile(values, 99)! };
}

/** `p50 / p95 / p99` */
export const percentilesText = (value: Percentiles | null): string =>
  value === null ? NONE : [value.p50, value.p95, value.p99].map(figure).join(' / ');

/** Of one figure over the rounds. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** The median of an even number of values is the mean of the two in the middle. */
export function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { min: sorted[0]!, median, max: sorted.at(-1)! };
}

/** `median (min–max)` */
export const spreadText = (value: Spread | null, show: (value: number) => string = figure): string =>
  value === null ? NONE : `${show(value.median)} (${show(value.min)}–${show(value.max)})`;

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** One value against another; null where one of them is not there. */
export const ratio = (value: number | null, base: number | null): number | null =>
  value === null || base === null ? null : value / base;
