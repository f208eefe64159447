import { readFileSync, readdirSync } from 'node:fs';

/** How often it is looked, seconds. */
const PERIOD = 0.5;
/** Threads that wait for so great a share of the time have not enough processors. */
const CONTENDED = 0.25;

/**
 * Tells whether other processes keep ours from computing, by how long our threads waited for a processor.
 * Pure: times are passed in, seconds.
 */
export class Contention {
  #since: { readonly now: number; readonly waited: number } | null = null;

  /** Whether it is time to look again. */
  isDue(now: number): boolean {
    return this.#since === null || now - this.#since.now >= PERIOD;
  }

  /** `waited` is what all threads together have waited so far. Without work in between nothing is known. */
  observe(waited: number, now: number): boolean {
    const since = this.#since;
    this.#since = { now, waited };
    if (since === null || now - since.now > 2 * PERIOD) return false;
    return (waited - since.waited) / (now - since.now) > CONTENDED;
  }
}

/** How long the threads of this process, all but one, have been ready and waited for a processor, seconds. */
export function waitedForProcessor(except: number, process = '/proc/self'): number {
  const threads = readdirSync(`${process}/task`).filter((thread) => thread !== String(except));
  return threads.reduce((sum, thread) => sum + runDelay(`${process}/task/${thread}/schedstat`), 0) / 1e9;
}

/** The second number: nanoseconds. A thread may have ended meanwhile. */
function runDelay(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8').split(' ')[1]);
  } catch {
    return 0;
  }
}
