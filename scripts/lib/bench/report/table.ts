import type { Percentiles, Spread } from '../measure/statistics.js';

/** A Markdown table with its columns in line, as easily read in a terminal. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) =>
    Math.max(3, name.length, ...rows.map((row) => row[column]!.length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

const NONE = '–';

/** Three significant digits, so that a column reads the same for milliseconds and for seconds. */
export function figure(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return NONE;
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(digits);
}

export const percent = (value: number | null): string =>
  value === null || !Number.isFinite(value) ? NONE : `${(value * 100).toFixed(0)} %`;

/** `median (min–max)` */
export const spreadText = (value: Spread | null, show: (value: number) => string = figure): string =>
  value === null ? NONE : `${show(value.median)} (${show(value.min)}–${show(value.max)})`;

/** `p50 / p95 / p99` */
export const percentilesText = (value: Percentiles | null): string =>
  value === null ? NONE : [value.p50, value.p95, value.p99].map(figure).join(' / ');
