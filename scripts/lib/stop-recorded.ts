import { setTimeout as sleep } from 'node:timers/promises';
import type { RunFolder } from './run-folder.js';
import { isStillRunning, readRunState, stopOrder, type RecordedProcess } from './run-state.js';

const GRACE_MS = 10_000;
const POLL_MS = 50;

/** What is recorded in a folder, whose owner was killed, and still runs. */
export function leftIn(folder: RunFolder): RecordedProcess[] {
  try {
    return readRunState(folder.state).processes.filter(isStillRunning);
  } catch {
    return [];
  }
}

/** Stops what a killed supervisor left running: by recorded pid, and only what still is the process it was. */
export async function stopRecorded(processes: readonly RecordedProcess[]): Promise<void> {
  for (const kind of stopOrder) {
    await Promise.all(processes.filter((each) => each.kind === kind).map(stopOne));
  }
}

async function stopOne(recorded: RecordedProcess): Promise<void> {
  const deadline = performance.now() + GRACE_MS;
  send('SIGTERM', recorded);
  while (isStillRunning(recorded)) {
    if (performance.now() > deadline) {
      send('SIGKILL', recorded);
      return;
    }
    await sleep(POLL_MS);
  }
}

function send(signal: NodeJS.Signals, recorded: RecordedProcess): void {
  if (!isStillRunning(recorded)) return;
  try {
    process.kill(recorded.pid, signal);
  } catch (error) {
    // It ended in between.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
