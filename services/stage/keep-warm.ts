import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { Contention, waitedForProcessor } from './contention.js';

/** So long after the last sign of work the processors may sleep. */
const LINGER_MS = 250;
/** So long nothing spins once others were seen to need the processors, seconds. */
const REST = 5;

export interface KeepWarm {
  /** There is work: the processors stay awake for a moment longer. */
  touch(): void;
  stop(): Promise<void>;
}

/** Lets the processors sleep whenever they want. */
export const noKeepWarm: KeepWarm = { touch: () => undefined, stop: () => Promise.resolve() };

/**
 * Keeps a processor from going to sleep between two steps, for it takes long to wake: a thread that spins while
 * there is work, at the scheduling policy SCHED_IDLE, by which it runs only when nobody else wants to and gives
 * way at once. It dies with the process, however that ends. Rejects where threads can not be given that policy
 * (no Linux, no `chrt`).
 *
 * On a crowded machine no processor sleeps anyway, and the kernel is slower to move work to one that spins than
 * to one that is idle: there it rests.
 */
export async function startKeepWarm(): Promise<KeepWarm> {
  const awake = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL('./keep-warm-worker.js', import.meta.url), {
    workerData: awake,
    name: 'keep-warm',
  });
  let thread: number;
  try {
    [thread] = (await once(worker, 'message')) as [number];
    await promisify(execFile)('chrt', ['--idle', '--pid', '0', String(thread)]);
  } catch (error) {
    await worker.terminate();
    throw error;
  }
  worker.unref();
  const set = (value: 0 | 1): void => {
    if (Atomics.exchange(awake, 0, value) !== value) Atomics.notify(awake, 0);
  };
  const linger = setTimeout(() => set(0), LINGER_MS).unref();
  const contention = new Contention();
  let restsUntil = 0;
  return {
    touch: () => {
      const now = performance.now() / 1000;
      if (contention.isDue(now) && contention.observe(waitedForProcessor(thread), now)) {
        restsUntil = now + REST;
        set(0);
      }
      if (now < restsUntil) return;
      set(1);
      linger.refresh();
    },
    stop: async () => {
      clearTimeout(linger);
      await worker.terminate();
    },
  };
}
