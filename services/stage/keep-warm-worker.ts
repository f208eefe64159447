import { readlinkSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

/**
 * A thread that spins as long as `awake[0]` is 1, and sleeps else. It first says its thread id, and begins once
 * it has been given the priority that makes it harmless (`awake[0]` is 0 until then).
 */
const awake = workerData as Int32Array;

// "<pid>/task/<tid>", of the thread that looks.
parentPort!.postMessage(Number(readlinkSync('/proc/thread-self').split('/').at(-1)));

for (;;) {
  Atomics.wait(awake, 0, 0);
  while (Atomics.load(awake, 0) === 1);
}
