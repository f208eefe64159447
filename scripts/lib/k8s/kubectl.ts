import { execFile } from 'node:child_process';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import type { Manifest } from './manifest.js';

const MAX_BYTES = 64 << 20;
const TIMEOUT_MS = 30_000;

/** What the commands ask of a cluster. */
export interface Cluster {
  /** The objects of a kind in the namespace, of those with such labels (`app=x,tier!=y`) where they are given. */
  list<Kind extends Manifest>(kind: string, labels?: string): Promise<Kind[]>;
  /** What the API server answers to a GET of `path`, also through its proxies. */
  raw(path: string): Promise<string>;
}

/** The cluster of `KUBECONFIG`, by kubectl: whoever can use that can use this, whatever the way to log in. */
export class Kubectl implements Cluster {
  readonly namespace: string;
  readonly #signal: AbortSignal | undefined;

  constructor(namespace: string, signal?: AbortSignal) {
    this.namespace = namespace;
    this.#signal = signal;
  }

  async list<Kind extends Manifest>(kind: string, labels?: string): Promise<Kind[]> {
    const selected = labels === undefined ? [] : ['--selector', labels];
    const text = await this.run(['get', kind, ...selected, '--output', 'json']);
    return (JSON.parse(text) as { items: Kind[] }).items;
  }

  raw(path: string): Promise<string> {
    return this.run(['get', '--raw', path]);
  }

  /** Runs kubectl in the namespace and returns what it prints. Throws `cluster_failed` with its last line. */
  run(
    args: readonly string[],
    { input, timeoutMs = TIMEOUT_MS }: { input?: string; timeoutMs?: number } = {},
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = execFile(
        'kubectl',
        ['--namespace', this.namespace, ...args],
        { maxBuffer: MAX_BYTES, timeout: timeoutMs, ...(this.#signal && { signal: this.#signal }) },
        (error, stdout, stderr) => {
          if (error === null) resolve(stdout);
          else reject(failure(args, error, stderr));
        },
      );
      child.stdin?.end(input);
    });
  }
}

function failure(args: readonly string[], error: Error, stderr: string): Error {
  if (error.name === 'AbortError') return error;
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
    return new ServingError('cluster_failed', 'there is no kubectl', {
      hint: 'install it, https://kubernetes.io/docs/tasks/tools',
    });
  }
  const reason = stderr.trim().split('\n').at(-1) ?? '';
  const what = `kubectl ${args.slice(0, 3).join(' ')}`;
  return new ServingError('cluster_failed', `${what}: ${reason === '' ? error.message : reason}`, {
    cause: error,
  });
}
