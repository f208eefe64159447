import { join } from 'node:path';
import { GatewayClient } from '../../gateway-client.js';
import { applyOverlay } from '../../k8s/apply-overlay.js';
import { removeDisposable } from '../../k8s/disposable.js';
import { Kubectl } from '../../k8s/kubectl.js';
import { portForward } from '../../k8s/port-forward.js';
import { waitUntil } from '../../k8s/wait-until.js';
import { openAiDialect } from '../../bench/targets/dialect.js';
import { HttpTarget } from '../../bench/targets/http-target.js';
import { ownVersion } from '../../bench/arms/own-version.js';
import { delayPods } from '../network/pod-delays.js';
import type { Arm, Deployed, Site } from '../types.js';
import { writeArmOverlay } from './arm-overlay.js';
import { ClusterApi } from './cluster-api.js';
import { lifeOf } from './cluster-views.js';
import { PodWatch } from './pod-watch.js';

export interface ClusterOptions {
  readonly namespace: string;
  readonly tag: string;
  /** Null for the experiment's own. */
  readonly delayCommand: string | null;
  /** For overlays and logs. */
  readonly folder: string;
}

const READY_MS = 240_000;
const SETTLE_MS = 180_000;
const GATEWAY_PORT = 8_000;

/** The cluster that KUBECONFIG names. Each arm is deployed into a namespace that is deleted after it. */
export class ClusterSite implements Site {
  readonly #options: ClusterOptions;
  #opened: Promise<ClusterApi> | null = null;

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  async describe(signal: AbortSignal): Promise<string> {
    const api = await this.#api(signal);
    const { gitVersion } = await api.get<{ gitVersion: string }>('/version', signal);
    return `Kubernetes ${gitVersion}, ${ownVersion()}`;
  }

  async deploy(arm: Arm, signal: AbortSignal): Promise<Deployed> {
    const { namespace, folder } = this.#options;
    const api = await this.#api(signal);
    // What a run that was killed has left.
    await removeDisposable(namespace);
    const overlay = join(folder, 'overlays', arm.name);
    await writeArmOverlay(overlay, arm, this.#options);
    const closers: (() => Promise<unknown>)[] = [() => removeDisposable(namespace)];
    const close = async (): Promise<void> => {
      for (const closer of closers.splice(0).reverse()) await closer();
    };
    try {
      const kubectl = new Kubectl(namespace, signal);
      await applyOverlay(kubectl, overlay);
      const watch = new PodWatch(api, arm, namespace);
      await untilSettled(arm, watch, READY_MS, signal);
      const tunnel = await portForward(namespace, 'service/gateway', GATEWAY_PORT);
      closers.push(() => tunnel.close());
      const model = await servedModel(arm, tunnel.url, signal);
      return {
        target: new HttpTarget(tunnel.url, openAiDialect(model)),
        observe: (limit) => watch.observe(limit),
        lives: () => watch.lives,
        settle: async (limit) => {
          await untilSettled(arm, watch, SETTLE_MS, limit);
        },
        delay: async (ms, limit) => {
          const pods = await watch.pods(limit);
          const running = pods.flatMap(({ app, pod: { status } }) =>
            status.podIP === undefined ? [] : [{ app, address: status.podIP }],
          );
          return delayPods({ command: this.#options.delayCommand, pods: running, ms }, limit);
        },
        stop: close,
      };
    } catch (error) {
      await close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#opened?.then(
      (api) => api.close(),
      () => undefined,
    );
  }

  #api(signal: AbortSignal): Promise<ClusterApi> {
    this.#opened ??= ClusterApi.open(join(this.#options.folder, 'kubectl-proxy.log'), signal);
    return this.#opened;
  }
}

/** Waits until every stage has its least replicas, all ready, and no pod is starting or ending. */
function untilSettled(arm: Arm, watch: PodWatch, timeoutMs: number, signal: AbortSignal): Promise<unknown> {
  const least = new Map([['gateway', 1], ...arm.stages.map(({ name, min }) => [name, min] as const)]);
  const unsettled = async (): Promise<string[]> => {
    const pods = await watch.pods(signal);
    return [...least].flatMap(([name, count]) => {
      const own = pods.filter(({ app }) => app === name);
      return own.length === count && own.every(({ pod, app }) => lifeOf(pod, app).ready !== null)
        ? []
        : [name];
    });
  };
  return waitUntil('every stage at its least replicas', async () => (await unsettled()).length === 0, {
    timeoutMs,
    signal,
    details: async () => (await unsettled()).join(', '),
  });
}

/** The id of the model, once every replica is on a route. */
async function servedModel(arm: Arm, url: string, signal: AbortSignal): Promise<string> {
  const gateway = new GatewayClient(url);
  const topology = await gateway.waitUntilReady(
    ({ stages }) => arm.stages.every(({ min }, index) => stages[index]?.replicas.length === min),
    { timeoutMs: READY_MS, signal },
  );
  return topology.model;
}
