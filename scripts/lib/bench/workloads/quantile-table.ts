/** A distribution as pairs of a quantile, rising from 0 to 1, and the value there. */
export type QuantileTable = readonly (readonly [quantile: number, value: number])[];

/** A table of values at even quantiles, such as 21 values every 5 %. */
export function evenTable(values: readonly number[]): QuantileTable {
  return values.map((value, index) => [index / (values.length - 1), value]);
}

/** The value at a quantile in `[0, 1]`, linear between the table's. */
export function valueAt(table: QuantileTable, quantile: number): number {
  const above = Math.max(
    1,
    table.findIndex(([at]) => at >= quantile),
  );
  const [[lowAt, low], [highAt, high]] = [table[above - 1]!, table[above]!];
  return low + ((quantile - lowAt) / (highAt - lowAt)) * (high - low);
}
