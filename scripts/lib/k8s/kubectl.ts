import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { parseAllDocuments } from 'yaml';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { waitUntil } from '../wait-until.js';
import type { Manifest, Named } from './objects.js';

const TIMEOUT_MS = 30_000;

/** What the commands ask of a cluster. */
export interface Cluster {
  /** The objects of a kind in the namespace, of those with such labels (`app=x,tier!=y`) where they are given. */
  list<Kind extends Named>(kind: string, labels?: string): Promise<Kind[]>;
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

  async list<Kind extends Named>(kind: string, labels?: string): Promise<Kind[]> {
    const selected = labels === undefined ? [] : ['--selector', labels];
    const text = await this.run(['get', kind, ...selected, '--output', 'json']);
    return (JSON.parse(text) as { items: Kind[] }).items;
  }

  raw(path: string): Promise<string> {
    return this.run(['get', '--raw', path]);
  }

  /** Runs kubectl in the namespace and returns what it prints. Throws `cluster_failed` with its last line. */
  async run(
    args: readonly string[],
    { input = '', timeoutMs = TIMEOUT_MS }: { input?: string; timeoutMs?: number } = {},
  ): Promise<string> {
    const result = await execa('kubectl', ['--namespace', this.namespace, ...args], {
      input,
      timeout: timeoutMs,
      reject: false,
      ...(this.#signal && { cancelSignal: this.#signal }),
    });
    if (!result.failed) return result.stdout;
    this.#signal?.throwIfAborted();
    if (result.code === 'ENOENT') {
      throw new ServingError('cluster_failed', 'there is no kubectl', { hint: INSTALL_KUBECTL });
    }
    const reason = result.stderr.trim().split('\n').at(-1) ?? '';
    const what = `kubectl ${args.slice(0, 3).join(' ')}`;
    throw new ServingError('cluster_failed', `${what}: ${reason === '' ? result.shortMessage : reason}`, {
      cause: result,
    });
  }
}

const INSTALL_KUBECTL = 'install kubectl, https://kubernetes.io/docs/tasks/tools';

const LOOK_MS = 500;
/** Between two looks at whether it is in vain: those that show it do not change by themselves. */
const IN_VAIN_MS = 10_000;

interface Expectation {
  /** Milliseconds. */
  readonly limit: number;
  readonly signal: AbortSignal;
  /** What stands in the way. */
  readonly details?: () => string | Promise<string>;
  /** Throws where there is nothing to wait for. */
  readonly inVain?: () => Promise<void>;
}

/** As `waitUntil`; throws `cluster_failed` with what stands in the way when the limit is over. */
export async function expectSoon<Value>(
  what: string,
  condition: () => Value | Promise<Value>,
  { limit, signal, details, inVain }: Expectation,
): Promise<NonNullable<Value>> {
  let looked = performance.now();
  const look = async (): Promise<Value> => {
    const value = await condition();
    if (value || inVain === undefined || performance.now() - looked < IN_VAIN_MS) return value;
    looked = performance.now();
    await inVain();
    return value;
  };
  const value = await waitUntil(look, { every: LOOK_MS, limit, signal });
  if (value !== null) return value;
  const more = details === undefined ? '' : `: ${await details()}`;
  throw new ServingError('cluster_failed', `not within ${limit / 1000} s: ${what}${more}`, {
    hint: 'kubectl get pods and describe pod say more; --keep leaves them there',
  });
}

/** Throws `cluster_failed` unless it holds. */
export function expect(holds: boolean, otherwise: string): asserts holds {
  if (holds) return;
  throw new ServingError('cluster_failed', otherwise, { hint: 'the end-to-end test does not hold' });
}

/** Where a gateway listens in its pod. */
export const GATEWAY_PORT = 8_000;

export interface PortForward {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Makes a gateway of the namespace reachable on this machine. It is one pod, and the way ends with it. Throws
 * `cluster_failed` when kubectl cannot.
 */
export async function forwardGateway(namespace: string): Promise<PortForward> {
  const args = ['--namespace', namespace, 'port-forward', 'service/gateway', `:${GATEWAY_PORT}`];
  const child = execa('kubectl', args, { reject: false, buffer: { stdout: false } });
  for await (const line of createInterface({ input: child.stdout })) {
    const local = /^Forwarding from 127\.0\.0\.1:(\d+) /.exec(line)?.[1];
    if (local === undefined) continue;
    // What it says of each connection is nobody's business, but must not fill the pipe.
    child.stdout.resume();
    return {
      url: `http://127.0.0.1:${local}`,
      close: async () => {
        child.kill();
        await child;
      },
    };
  }
  const { stderr, originalMessage = 'it ended by itself' } = await child;
  throw new ServingError('cluster_failed', `kubectl port-forward: ${stderr.trim() || originalMessage}`);
}

/** kubectl's own, the program itself, or the latter built by Go, which takes a minute the first time. */
const BUILDERS = [
  ['kubectl', 'kustomize'],
  ['kustomize', 'build'],
  ['go', 'run', 'sigs.k8s.io/kustomize/kustomize/v5@v5.7.1', 'build'],
] as const;

/** Go may have to fetch and build it. */
const BUILD_MS = 300_000;

/** The objects that an overlay is. Throws `invalid_config` with Kustomize's reason when it does not build. */
export async function kustomize(folder: string): Promise<Manifest[]> {
  for (const [program, ...args] of BUILDERS) {
    const result = await execa(program, [...args, folder], { timeout: BUILD_MS, reject: false });
    if (result.code === 'ENOENT') continue;
    if (!result.failed) {
      return parseAllDocuments(result.stdout).map((document) => document.toJS() as Manifest);
    }
    throw new ServingError('invalid_config', `${folder}: ${result.stderr || result.shortMessage}`, {
      hint: 'it is no overlay, or a file of it is not what Kustomize expects',
    });
  }
  throw new ServingError('invalid_config', 'there is neither kubectl nor kustomize, nor Go to build it', {
    hint: INSTALL_KUBECTL,
  });
}
