/** How much the newest value counts: the last ten or so decide. */
const WEIGHT = 0.2;

/** An exponentially weighted moving average; null until the first value. */
export function movingAverage(average: number | null, value: number): number {
  return average === null ? value : average + WEIGHT * (value - average);
}
