import { once } from 'node:events';
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { repositoryRoot } from '../../repository.js';

const START_MS = 10_000;
const STOP_MS = 5_000;

export interface DelayOptions {
  /** A program and its first arguments; see pod-delay.py for those that follow. Null takes that one, on this machine. */
  readonly command: string | null;
  /** Of the pods. */
  readonly addresses: readonly string[];
  readonly ms: number;
}

/**
 * Delays what each of the pods sends to any other until the function returned is called: one process for each pod,
 * which ends the delay when it ends. Throws `process_failed` with what it wrote when one does not start.
 */
export async function delayPods(options: DelayOptions, signal: AbortSignal): Promise<() => Promise<void>> {
  const { command, addresses, ms } = options;
  const words = command?.split(/\s+/) ?? ['python3', join(repositoryRoot, OWN_PROGRAM)];
  const children: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(stopped));
  };
  try {
    for (const address of addresses) {
      const others = addresses.filter((other) => other !== address).join();
      children.push(spawn(words[0]!, [...words.slice(1), address, String(ms), others]));
    }
    await Promise.all(children.map((child) => delaying(child, signal)));
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}

const OWN_PROGRAM = 'scripts/lib/experiment/network/pod-delay.py';

/** Resolves when the program says that the delay is there. */
async function delaying(child: ChildProcess, signal: AbortSignal): Promise<void> {
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const limit = AbortSignal.any([signal, AbortSignal.timeout(START_MS)]);
  const failed = (reason: unknown): never => {
    signal.throwIfAborted();
    const why = errors.trim() || String(reason);
    throw new ServingError('process_failed', `a pod can not be delayed: ${why}`, {
      hint: 'run as root on the node of the pods, or give --delay-command',
    });
  };
  await Promise.race([
    once(child.stdout!, 'data', { signal: limit }),
    once(child, 'exit', { signal: limit }).then(failed),
  ]).catch(failed);
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  child.kill('SIGTERM');
  await once(child, 'exit');
  clearTimeout(timer);
}
