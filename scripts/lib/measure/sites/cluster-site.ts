import { join } from 'node:path';
import { applyOverlay, removeDisposable } from '../../k8s/deploy.js';
import { expectSoon, forwardGateway, Kubectl } from '../../k8s/kubectl.js';
import { isReady } from '../../k8s/objects.js';
import { GatewayClient } from '../../local/gateway-client.js';
import type { Arm } from '../experiment/arm.js';
import type { Deployed, Site } from '../experiment/types.js';
import { ownVersion } from '../page.js';
import { HttpTarget, openAiDialect } from '../http-target.js';
import { writeArmOverlay } from './arm-overlay.js';
import { ClusterApi } from './cluster-api.js';
import { delayPods } from './pod-delays.js';
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
    const { namespace, folder, delayCommand: command } = this.#options;
    const api = await this.#api(signal);
    // What a run that was killed has left.
    await removeDisposable(namespace);
    const overlay = join(folder, 'overlays', arm.name);
    await writeArmOverlay(overlay, arm, this.#options);
    const closers: (() => Promise<unknown>)[] = [() => removeDisposable(namespace)];
    const stop = async (): Promise<void> => {
      for (const closer of closers.splice(0).reverse()) await closer();
    };
    try {
      await applyOverlay(new Kubectl(namespace, signal), overlay);
      const watch = new PodWatch(api, arm, namespace);
      await untilSettled(arm, watch, READY_MS, signal);
      const tunnel = await forwardGateway(namespace);
      closers.push(() => tunnel.close());
      const model = await servedModel(arm, tunnel.url, signal);
      return {
        target: new HttpTarget(tunnel.url, openAiDialect(model)),
        observe: (limit) => watch.observe(limit),
        lives: () => watch.lives,
        settle: (limit) => untilSettled(arm, watch, SETTLE_MS, limit),
        delay: async (ms, limit) => {
          const pods = (await watch.pods(limit)).flatMap(({ app, pod: { status } }) =>
            status.podIP === undefined ? [] : [{ app, address: status.podIP }],
          );
          return delayPods({ command, pods, ms }, limit);
        },
        stop,
      };
    } catch (error) {
      await stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    const api = await this.#opened?.catch(() => null);
    await api?.close();
  }

  #api(signal: AbortSignal): Promise<ClusterApi> {
    this.#opened ??= ClusterApi.open(join(this.#options.folder, 'kubectl-proxy.log'), signal);
    return this.#opened;
  }
}

/** Waits until every stage has its least replicas, all ready, and no pod is starting or ending. */
async function untilSettled(arm: Arm, watch: PodWatch, limit: number, signal: AbortSignal): Promise<void> {
  const least = [{ name: 'gateway', min: 1 }, ...arm.stages];
  const unsettled = async (): Promise<string[]> => {
    const pods = await watch.pods(signal);
    const isSettled = ({ name, min }: { name: string; min: number }): boolean => {
      const own = pods.filter(({ app }) => app === name);
      return own.length === min && own.every(({ pod }) => isReady(pod));
    };
    return least.filter((each) => !isSettled(each)).map(({ name }) => name);
  };
  await expectSoon('every stage at its least replicas', async () => (await unsettled()).length === 0, {
    limit,
    signal,
    details: async () => (await unsettled()).join(', '),
  });
}

/** The id of the model, once every replica is on a route. */
async function servedModel(arm: Arm, url: string, signal: AbortSignal): Promise<string> {
  const { model } = await new GatewayClient(url).waitUntilReady(
    ({ stages }) => arm.stages.every(({ min }, index) => stages[index]?.replicas.length === min),
    { timeoutMs: READY_MS, signal },
  );
  return model;
}
