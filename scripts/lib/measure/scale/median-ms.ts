import { spread } from '../figures/statistics.js';

/** Each is done so often, for at most so long, and counts with its median. */
const REPEATS = 21;
const PATIENCE_MS = 5_000;

/** Processor time that a piece of work of this process takes, ms: what else the machine does makes it no longer. */
export function medianMs(work: () => unknown): number {
  const took: number[] = [];
  const started = performance.now();
  while (took.length < REPEATS && (took.length < 1 || performance.now() - started < PATIENCE_MS)) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    took.push((user + system) / 1_000);
  }
  return spread(took)!.median;
}
