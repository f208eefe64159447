import { setTimeout as sleep } from 'node:timers/promises';
import { isStillRunning, type RecordedProcess, type RunState } from './run-state.js';

const GRACE_MS = 10_000;
const POLL_MS = 50;

/** Stops what a killed supervisor left running: by recorded pid, and only what still is the process it was. */
export async function stopRecorded({ processes }: RunState): Promise<void> {
  for (const kind of ['gateway', 'stage', 'sidecar'] as const) {
    await Promise.all(processes.filter((each) => each.kind === kind).map(stopOne));
  }
}

async function stopOne(recorded: RecordedProcess): Promise<void> {
  const deadline = performance.now() + GRACE_MS;
  for (let signal: 'SIGTERM' | 0 = 'SIGTERM'; isStillRunning(recorded); signal = 0) {
    if (performance.now() > deadline) return void process.kill(recorded.pid, 'SIGKILL');
    process.kill(recorded.pid, signal);
    await sleep(POLL_MS);
  }
}
