import type { RequestRecord } from '../types.js';
import { timePerOutputToken, timeToFirstToken } from './latency.js';

/** What a user must get for a request to count, milliseconds. */
export interface ServiceLevel {
  readonly ttft: number;
  readonly tpot: number;
}

/** Whether a request was answered in full and within both bounds (DistServe, OSDI '24). */
export function meets({ ttft, tpot }: ServiceLevel, record: RequestRecord): boolean {
  const first = timeToFirstToken(record);
  return (
    record.error === null && first !== null && first <= ttft && (timePerOutputToken(record) ?? 0) <= tpot
  );
}
