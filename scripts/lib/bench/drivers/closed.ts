import type { RequestRecord, Schedule } from '../types.js';
import type { Send } from './send.js';

type Closed = Extract<Schedule, { type: 'closed' }>;

/** Every client sends the next request that is left when its last has been answered. */
export async function runClosed({ clients, requests }: Closed, send: Send): Promise<RequestRecord[]> {
  const left = requests.values();
  const records: RequestRecord[] = [];
  const client = async (): Promise<void> => {
    for (const planned of left) records.push(await send(planned));
  };
  await Promise.all(Array.from({ length: clients }, client));
  return records;
}
