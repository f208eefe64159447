import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ServingError } from '../../../services/lib/errors/serving-error.js';

export interface PortForward {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Makes a port of `target` (such as `service/gateway`) reachable on this machine. It leads to one pod, and ends with
 * it. Throws `cluster_failed` when kubectl can not.
 */
export async function portForward(namespace: string, target: string, port: number): Promise<PortForward> {
  const child = spawn('kubectl', ['--namespace', namespace, 'port-forward', target, `:${port}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = (): unknown => child.kill();
  process.once('exit', stop);
  const ended = once(child, 'close').then(() => process.off('exit', stop));
  let problem = 'it ended by itself';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (problem = text.trim()));
  for await (const line of createInterface({ input: child.stdout })) {
    const local = /^Forwarding from 127\.0\.0\.1:(\d+) /.exec(line)?.[1];
    if (local === undefined) continue;
    // What it says of each connection is nobody's business, but must not fill the pipe.
    child.stdout.resume();
    return {
      url: `http://127.0.0.1:${local}`,
      close: async () => {
        child.kill();
        await ended;
      },
    };
  }
  await ended;
  throw new ServingError('cluster_failed', `kubectl port-forward ${target}: ${problem}`);
}
