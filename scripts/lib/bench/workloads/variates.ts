/** Uniform numbers in [0, 1). */
export type Random = () => number;

/** Exponential with mean 1. */
export const exponential = (random: Random): number => -Math.log(1 - random());

/** Standard normal, by Marsaglia's polar method. */
export function normal(random: Random): number {
  for (;;) {
    const [x, y] = [2 * random() - 1, 2 * random() - 1];
    const square = x * x + y * y;
    if (square > 0 && square < 1) return x * Math.sqrt((-2 * Math.log(square)) / square);
  }
}

/**
 * Gamma with mean 1, so with variance 1 / shape. Marsaglia and Tsang, "A simple method for generating gamma
 * variables", 2000, with its boost for shapes below 1.
 */
export function gamma(random: Random, shape: number): number {
  if (shape < 1) {
    const boosted = gamma(random, shape + 1) * (shape + 1);
    return (boosted * (1 - random()) ** (1 / shape)) / shape;
  }
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random()) < (x * x) / 2 + d * (1 - v + Math.log(v))) return (d * v) / shape;
  }
}
