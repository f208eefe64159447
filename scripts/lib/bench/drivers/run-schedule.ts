import type { RequestRecord, Schedule } from '../types.js';
import { runClosed } from './closed.js';
import { runInjection } from './injection.js';
import { runOpen } from './open.js';
import type { Send } from './send.js';

/** Sends every request of a schedule when its turn comes, and resolves when all have been answered. */
export function runSchedule(schedule: Schedule, send: Send, signal: AbortSignal): Promise<RequestRecord[]> {
  switch (schedule.type) {
    case 'closed':
      return runClosed(schedule, send);
    case 'open':
      return runOpen(schedule, send, signal);
    case 'injection':
      return runInjection(schedule, send);
  }
}
