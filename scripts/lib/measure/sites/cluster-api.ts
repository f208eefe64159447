import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { freePort } from '../../local/processes/ports.js';
import { ManagedProcess } from '../../local/processes/kept-process.js';
import { repositoryRoot } from '../../repository.js';
import { waitUntil, within } from '../../wait-until.js';

const START_MS = 15_000;
const ANSWER_MS = 2_000;
/** Of a proxy that has started: then it is the cluster that does not answer. */
const MOST_REFUSALS = 5;
const STOP_GRACE_MS = 2_000;

/** The cluster's API by HTTP on this machine: `kubectl proxy` sees to addresses, certificates and identity. */
export class ClusterApi {
  readonly url: string;
  readonly #proxy: ManagedProcess;

  private constructor(port: number, logPath: string) {
    this.url = `http://127.0.0.1:${port}`;
    this.#proxy = new ManagedProcess({
      name: 'kubectl proxy',
      command: ['kubectl', 'proxy', `--port=${port}`],
      directory: repositoryRoot,
      env: process.env,
      logPath,
    });
  }

  /** Throws `cluster_failed` when KUBECONFIG names no cluster that answers. */
  static async open(logPath: string, signal: AbortSignal): Promise<ClusterApi> {
    const api = new ClusterApi(await freePort(), logPath);
    try {
      await api.#untilAnswered(signal);
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

  async #untilAnswered(signal: AbortSignal): Promise<void> {
    let refusals = 0;
    const look = async (): Promise<'answered' | 'refused' | null> => {
      const ask = (limit: AbortSignal): Promise<Response> => fetch(`${this.url}/version`, { signal: limit });
      const response = await within(ANSWER_MS, signal, ask).catch(() => null);
      if (response?.ok === true) return 'answered';
      if (response !== null) refusals++;
      return !this.#proxy.running || refusals === MOST_REFUSALS ? 'refused' : null;
    };
    if ((await waitUntil(look, { every: 100, limit: START_MS, signal })) === 'answered') return;
    const lines = (await this.#proxy.lastLines(2)).join(' ');
    throw new ServingError('cluster_failed', `no cluster answers: ${lines}`, {
      hint: 'let KUBECONFIG name a cluster with Dapr, Prometheus and its adapter (k8s/README.md)',
    });
  }
}
