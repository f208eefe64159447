import { spread } from '../figures/statistics.js';

/** Each is timed so often, for at most so long, and counts with its median. */
const REPEATS = 21;
const PATIENCE_MS = 5_000;

/** How long a piece of work of this process takes, ms. */
export function medianMs(work: () => unknown): number {
  const took: number[] = [];
  const started = performance.now();
  while (took.length < REPEATS && (took.length < 1 || performance.now() - started < PATIENCE_MS)) {
    const before = performance.now();
    work();
    took.push(performance.now() - before);
  }
  return spread(took)!.median;
}
