import { setTimeout as delay } from 'node:timers/promises';
import type { RequestRecord, Schedule } from '../types.js';
import type { Send } from './send.js';

type Open = Extract<Schedule, { type: 'open' }>;

/** Every request is sent when it is due, so that a slow server is not spared the load that it can not take. */
export async function runOpen({ arrivals }: Open, send: Send, signal: AbortSignal): Promise<RequestRecord[]> {
  const origin = performance.now();
  const sent: Promise<RequestRecord>[] = [];
  try {
    for (const arrival of [...arrivals].sort((one, other) => one.at - other.at)) {
      // Rounded up, for timers drop fractions of a millisecond.
      const left = Math.ceil(arrival.at * 1000 - (performance.now() - origin));
      await delay(Math.max(0, left), undefined, { signal });
      sent.push(send(arrival));
    }
  } finally {
    // Also when the benchmark is stopped, so that no request is left behind.
    await Promise.allSettled(sent);
  }
  return Promise.all(sent);
}
