import { once } from 'node:events';
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { repositoryRoot } from '../../repository.js';
import type { WireBytes } from '../types.js';

const START_MS = 10_000;
const STOP_MS = 5_000;

export interface DelayOptions {
  /** A program and its first arguments; see pod-delay.py for those that follow. Null takes that one, on this machine. */
  readonly command: string | null;
  readonly pods: readonly { readonly app: string; readonly address: string }[];
  readonly ms: number;
}

/**
 * Delays what each of the pods sends to any other until the function returned is called, which tells how much that was:
 * one process for each pod, which ends the delay when it ends. Throws `process_failed` with what it wrote when one does
 * not start.
 */
export async function delayPods(
  { command, pods, ms }: DelayOptions,
  signal: AbortSignal,
): Promise<() => Promise<WireBytes>> {
  const [program, ...first] = command?.split(/\s+/) ?? ['python3', join(repositoryRoot, OWN_PROGRAM)];
  const delays: PodDelay[] = [];
  const stopAll = async (): Promise<WireBytes> => {
    const bytes: Record<string, number> = {};
    for (const [app, sent] of await Promise.all(delays.map((delay) => delay.stop()))) {
      bytes[app] = (bytes[app] ?? 0) + sent;
    }
    return bytes;
  };
  try {
    for (const { app, address } of pods) {
      const others = pods.flatMap((pod) => (pod.address === address ? [] : [pod.address])).join();
      delays.push(new PodDelay(app, spawn(program!, [...first, address, String(ms), others])));
    }
    await Promise.all(delays.map((delay) => delay.ready(signal)));
    return stopAll;
  } catch (error) {
    await stopAll();
    throw error;
  }
}

const OWN_PROGRAM = 'scripts/lib/experiment/network/pod-delay.py';

/** The program that delays one pod. */
class PodDelay {
  readonly #app: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown>;
  #output = '';
  #errors = '';

  constructor(app: string, child: ChildProcessWithoutNullStreams) {
    this.#app = app;
    this.#child = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#errors += text));
    this.#ended = once(child, 'close').catch((reason: unknown) => (this.#errors += String(reason)));
  }

  /** Resolves when the program says so. */
  async ready(signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(START_MS)]);
    const said = once(this.#child.stdout, 'data', { signal: limit }).catch(() => null);
    await Promise.race([said, this.#ended]);
    signal.throwIfAborted();
    if (this.#output.startsWith('ready')) return;
    throw new ServingError('process_failed', `a pod can not be delayed: ${this.#errors.trim()}`, {
      hint: 'run as root on the node of the pods, or give --delay-command',
    });
  }

  /** Ends the delay, and tells what the pod has sent. */
  async stop(): Promise<[app: string, bytes: number]> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    this.#child.kill('SIGTERM');
    await this.#ended;
    clearTimeout(timer);
    return [this.#app, Number(/^sent (\d+)$/m.exec(this.#output)?.[1] ?? NaN)];
  }
}
