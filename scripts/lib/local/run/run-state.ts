import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { writeWhole } from '../../repository.js';
import { waitUntil } from '../../wait-until.js';
import { isFree } from '../processes/ports.js';
import type { KeptProcess } from '../processes/kept-process.js';
import { RunFolder } from './run-folder.js';
import type { TelemetryUrls } from '../telemetry/local-telemetry.js';
import { telemetryPrograms } from '../telemetry/programs.js';

/** What a run writes down of itself, so that another command finds it, and cleans up if its supervisor was killed. */
interface RunState {
  readonly version: 1;
  readonly url: string;
  readonly supervisor: number;
  readonly processes: readonly RecordedProcess[];
  /** Of a run with `--trace`. */
  readonly telemetry?: TelemetryUrls;
}

/** The kinds of processes in the order in which they stop: no new requests, then no stages, then what they need. */
const stopOrder = ['gateway', 'stage', 'sidecar', ...telemetryPrograms] as const;

export interface RecordedProcess {
  readonly name: string;
  readonly pid: number;
  readonly kind: (typeof stopOrder)[number];
  /** As the system shows it: tells whether a process of this pid is still the one that was started. */
  readonly command: string;
}

/** What is written down of a process that runs. */
export const recordOf = ({ name, pid }: KeptProcess, kind: RecordedProcess['kind']): RecordedProcess => ({
  name,
  pid,
  kind,
  command: commandOf(pid) ?? '',
});

export const writeRunState = (path: string, state: RunState): void =>
  writeWhole(path, JSON.stringify(state, null, 2), 0o600);

/** Throws `not_running` where no run has left a state. */
export function readRunState(path: string): RunState {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as RunState;
  } catch (cause) {
    throw new ServingError('not_running', 'no local system runs on this port', { cause });
  }
}

export const isStillRunning = ({ pid, command }: RecordedProcess): boolean => commandOf(pid) === command;

/** Program and arguments of a process, separated by blanks; null when there is none. */
export function commandOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim() || null;
  } catch {
    return commandFromPs(pid);
  }
}

/** For systems without /proc. */
function commandFromPs(pid: number): string | null {
  try {
    return execFileSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).trim() || null;
  } catch {
    return null;
  }
}

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
  send('SIGTERM', recorded);
  const ended = await waitUntil(() => !isStillRunning(recorded), { every: POLL_MS, limit: GRACE_MS });
  if (ended === null) send('SIGKILL', recorded);
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

/**
 * Throws `port_in_use` where a system, or something else, has the port; asked before anything is started. What a killed
 * supervisor left there is no obstacle: it is stopped by `LocalSystem.start`.
 */
export async function requireFreePort(port: number): Promise<void> {
  const folder = new RunFolder(port);
  if (folder.owner !== null) throw folder.inUse();
  if (leftIn(folder).length > 0) return;
  if (!(await isFree(port))) throw listening(port);
}

const listening = (port: number): ServingError =>
  new ServingError('port_in_use', `something listens on 127.0.0.1:${port}`);

/**
 * Stops what a killed supervisor left on a port, for its record is erased next. Throws `port_in_use` for others'
 * processes.
 */
export async function clearPort(port: number, onEvent?: (message: string) => void): Promise<void> {
  const left = leftIn(new RunFolder(port));
  if (left.length > 0) onEvent?.(`stopping ${left.length} processes that a killed supervisor left`);
  await stopRecorded(left);
  if (!(await isFree(port))) throw listening(port);
}
