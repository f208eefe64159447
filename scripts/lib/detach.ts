import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { ServingError } from '../../services/lib/errors/serving-error.js';
import { runsDirectory } from './run-folder.js';

/** Sent by a supervisor to the command that started it. */
export const SERVING = 'serving';

/**
 * Runs `up` again, in a session of its own, and returns once it serves. Throws what it died of otherwise; stops it
 * when the signal is aborted meanwhile.
 */
export async function runDetached(args: readonly string[], port: number, signal: AbortSignal): Promise<void> {
  mkdirSync(runsDirectory(), { recursive: true });
  const logPath = join(runsDirectory(), `${port}.log`);
  const log = openSync(logPath, 'w');
  const child = spawn(process.execPath, [process.argv[1]!, ...args], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  const stop = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop);
  const ending = once(child, 'exit').then(() => {
    signal.throwIfAborted();
    const line = readFileSync(logPath, 'utf8').trimEnd().split('\n').at(-1) ?? '';
    throw new ServingError('process_failed', `the system did not start: ${line}`, { hint: `see ${logPath}` });
  });
  const serving = once(child, 'message').then(() => undefined);
  await Promise.race([serving, ending]);
  signal.removeEventListener('abort', stop);
  ending.catch(() => undefined);
  child.disconnect();
  child.unref();
}
