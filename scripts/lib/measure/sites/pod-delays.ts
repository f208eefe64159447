import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { repositoryRoot } from '../../repository.js';
import type { WireBytes } from '../experiment/types.js';

const START_MS = 10_000;
const STOP_MS = 5_000;
const OWN_PROGRAM = join(repositoryRoot, 'scripts', 'lib', 'measure', 'sites', 'pod-delay.py');

interface DelayOptions {
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
  const program = command?.split(/\s+/) ?? ['python3', OWN_PROGRAM];
  const delays = pods.map(({ app, address }) => {
    const others = pods.flatMap((pod) => (pod.address === address ? [] : [pod.address])).join();
    return delayPod(app, [...program, address, String(ms), others]);
  });
  const stopAll = async (): Promise<WireBytes> => {
    const bytes: Record<string, number> = {};
    for (const [app, sent] of await Promise.all(delays.map((delay) => delay.stop()))) {
      bytes[app] = (bytes[app] ?? 0) + sent;
    }
    return bytes;
  };
  try {
    await Promise.all(delays.map((delay) => delay.ready(signal)));
    return stopAll;
  } catch (error) {
    await stopAll();
    throw error;
  }
}

interface PodDelay {
  /** Resolves when the program says so. */
  ready(signal: AbortSignal): Promise<void>;
  /** Ends the delay, and tells what the pod has sent. */
  stop(): Promise<[app: string, bytes: number]>;
}

function delayPod(app: string, [program, ...args]: readonly string[]): PodDelay {
  const child = execa(program!, args, { reject: false, forceKillAfterDelay: STOP_MS });
  const said = once(child.stdout, 'data').then(String, () => '');
  return {
    async ready(signal) {
      const late = delay(START_MS, '', { signal, ref: false });
      const text = await Promise.race([said, child.then(() => ''), late]);
      if (text.startsWith('ready')) return;
      child.kill();
      const { stderr, originalMessage = '' } = await child;
      throw new ServingError('process_failed', `a pod cannot be delayed: ${stderr || originalMessage}`, {
        hint: 'run as root on the node of the pods, or give --delay-command',
      });
    },
    async stop() {
      child.kill();
      const { stdout } = await child;
      return [app, Number(/^sent (\d+)$/m.exec(stdout)?.[1] ?? NaN)];
    },
  };
}
