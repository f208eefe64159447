import { setTimeout as delay } from 'node:timers/promises';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { ManagedProcess } from '../../managed-process.js';
import { freePorts } from '../../ports.js';
import { repositoryRoot } from '../../repository.js';

const START_MS = 15_000;
/** Of a proxy that has started: then it is the cluster that does not answer. */
const MOST_REFUSALS = 5;
const STOP_GRACE_MS = 2_000;

/** The cluster's API by HTTP on this machine: `kubectl proxy` sees to addresses, certificates and identity. */
export class ClusterApi {
  readonly url: string;
  readonly #proxy: ManagedProcess;

  private constructor(url: string, proxy: ManagedProcess) {
    this.url = url;
    this.#proxy = proxy;
  }

  /** Throws `cluster_failed` when KUBECONFIG names no cluster that answers. */
  static async open(logPath: string, signal: AbortSignal): Promise<ClusterApi> {
    const [port] = (await freePorts(1)) as [number];
    const command = ['kubectl', 'proxy', `--port=${port}`];
    const proxy = new ManagedProcess({
      name: 'kubectl proxy',
      command,
      directory: repositoryRoot,
      env: process.env,
      logPath,
    });
    const api = new ClusterApi(`http://127.0.0.1:${port}`, proxy);
    try {
      await untilAnswered(`${api.url}/version`, proxy, signal);
      return api;
    } catch (error) {
      await api.close();
      throw error;
    }
  }

  /** Throws when the answer is not 200. */
  async get<Value>(path: string, signal: AbortSignal): Promise<Value> {
    const response = await fetch(this.url + path, { signal });
    if (!response.ok) throw new ServingError('cluster_failed', `${path}: HTTP ${response.status}`);
    return (await response.json()) as Value;
  }

  close(): Promise<void> {
    return this.#proxy.stop(STOP_GRACE_MS);
  }
}

async function untilAnswered(url: string, tunnel: ManagedProcess, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + START_MS;
  let refusals = 0;
  while (performance.now() < deadline && tunnel.running && refusals < MOST_REFUSALS) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(2_000)]);
    const response = await fetch(url, { signal: limit }).catch(() => null);
    if (response?.ok === true) return;
    if (response !== null) refusals++;
    await delay(100, undefined, { signal });
  }
  const lines = (await tunnel.lastLines(2)).join(' ');
  throw new ServingError('cluster_failed', `no cluster answers: ${lines}`, {
    hint: 'let KUBECONFIG name a cluster with Dapr, Prometheus and its adapter (k8s/README.md)',
  });
}
