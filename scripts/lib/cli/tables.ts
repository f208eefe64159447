/** A Markdown table with its columns in line, as easily read in a terminal. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = widthsOf([head, ...rows], 3);
  const line = (cells: readonly string[]): string => `| ${padded(cells, widths).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

/** Rows of cells in columns, separated by two blanks. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = widthsOf(rows, 0);
  return rows.map((row) => padded(row, widths).join('  ').trimEnd()).join('\n');
}

const widthsOf = (rows: readonly (readonly string[])[], least: number): number[] =>
  rows[0]!.map((_, column) => Math.max(least, ...rows.map((row) => row[column]!.length)));

const padded = (cells: readonly string[], widths: readonly number[]): string[] =>
  cells.map((cell, column) => cell.padEnd(widths[column]!));

export const NONE = '–';

/** Three significant digits, so that a column reads the same for milliseconds and for seconds. */
export function figure(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return NONE;
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(digits);
}

export const percent = (share: number | null): string =>
  share === null || !Number.isFinite(share) ? NONE : `${(share * 100).toFixed(0)} %`;

export const plural = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;

/** Each of some reasons once, with how often it is there. */
export function tally(reasons: readonly string[]): string[] {
  return [...new Set(reasons)].map(
    (reason) => `- ${reasons.filter((each) => each === reason).length} × ${reason}`,
  );
}
