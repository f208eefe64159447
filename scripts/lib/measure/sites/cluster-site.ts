import { join } from 'node:path';
import { applyOverlay, removeDisposable, requireStartable } from '../../k8s/deploy.js';
import { expectSoon, forwardGateway, GATEWAY_PORT, Kubectl, type PortForward } from '../../k8s/kubectl.js';
import { isReady } from '../../k8s/objects.js';
import { within } from '../../wait-until.js';
import { GatewayClient } from '../../local/gateway-client.js';
import { dilationOf, leastReplicas, type Arm, type StageBounds } from '../experiment/arm.js';
import type { Deployed, Site } from '../experiment/types.js';
import { ownVersion } from '../page.js';
import { HttpTarget, openAiDialect } from '../http-target.js';
import { writeArmOverlay } from './arm-overlay.js';
import { ClusterApi } from './cluster-api.js';
import { requireDevices, startLimitMs } from './emulated.js';
import { wakeDevicesFirst } from './device-threads.js';
import { delayPods } from './pod-delays.js';
import { PodWatch } from './pod-watch.js';

interface ClusterOptions {
  readonly namespace: string;
  readonly tag: string;
  /** Null for the experiment's own. */
  readonly delayCommand: string | null;
  /** For overlays and logs. */
  readonly folder: string;
}

const READY_MS = 240_000;
const SETTLE_MS = 180_000;
/** For a gateway that can be reached to answer. */
const REACH_MS = 2_000;

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
    requireDevices(arm);
    const api = await this.#api(signal);
    // What a run that was killed has left.
    await removeDisposable(namespace, 'at once');
    const overlay = join(folder, 'overlays', arm.name);
    await writeArmOverlay(overlay, arm, this.#options);
    const closers: (() => Promise<unknown>)[] = [() => removeDisposable(namespace, 'at once')];
    const stop = async (): Promise<void> => {
      for (const closer of closers.splice(0).reverse()) await closer();
    };
    if (arm.emulated) {
      const stopped = new AbortController();
      const waking = wakeDevicesFirst(AbortSignal.any([stopped.signal, signal]));
      closers.push(() => {
        stopped.abort();
        return waking;
      });
    }
    try {
      const kubectl = new Kubectl(namespace, signal);
      await applyOverlay(kubectl, overlay);
      const watch = new PodWatch(api, arm, namespace);
      const readyMs = READY_MS + startLimitMs(arm);
      await untilSettled(arm, watch, readyMs, signal, () => requireStartable(kubectl));
      const tunnel = await reachGateway(watch, namespace, signal);
      closers.push(() => tunnel.close());
      const model = await servedModel(arm, tunnel.url, readyMs, signal);
      return {
        target: new HttpTarget(tunnel.url, openAiDialect(model)),
        observe: (limit) => watch.observe(limit),
        lives: () => watch.lives,
        kill: (stage, limit) => killPod(stage, watch, new Kubectl(namespace, limit), limit),
        settle: (limit) => untilSettled(arm, watch, SETTLE_MS * dilationOf(arm) + startLimitMs(arm), limit),
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
async function untilSettled(
  arm: Arm,
  watch: PodWatch,
  limit: number,
  signal: AbortSignal,
  inVain?: () => Promise<void>,
): Promise<void> {
  const least = [{ name: 'gateway', min: 1 }, ...arm.stages];
  const unsettled = async (): Promise<string[]> => {
    const pods = await watch.pods(signal);
    const isSettled = (stage: Pick<StageBounds, 'name' | 'min' | 'more'>): boolean => {
      const own = pods.filter(({ app }) => app === stage.name);
      return own.length === leastReplicas(stage) && own.every(({ pod }) => isReady(pod));
    };
    return least.filter((each) => !isSettled(each)).map(({ name }) => name);
  };
  await expectSoon('every stage at its least replicas', async () => (await unsettled()).length === 0, {
    limit,
    signal,
    details: async () => (await unsettled()).join(', '),
    ...(inVain && { inVain }),
  });
}

/** The id of the model, once every replica is on a route. */
async function servedModel(arm: Arm, url: string, timeoutMs: number, signal: AbortSignal): Promise<string> {
  const [{ model }] = await new GatewayClient(url).waitUntilReady(
    ([{ stages }]) =>
      arm.stages.every((stage, index) => stages[index]?.replicas.length === leastReplicas(stage)),
    { timeoutMs, signal },
  );
  return model;
}

/**
 * At its own address where that leads there from here, as on a node; else through kubectl and the API server, which every
 * token costs processors.
 */
async function reachGateway(watch: PodWatch, namespace: string, signal: AbortSignal): Promise<PortForward> {
  const gateway = (await watch.pods(signal)).find(({ app }) => app === 'gateway');
  const url = `http://${gateway?.pod.status.podIP ?? ''}:${GATEWAY_PORT}`;
  const health = within(REACH_MS, signal, (limit) => fetch(`${url}/health`, { signal: limit }));
  const answer = await health.catch(() => null);
  return answer?.ok === true ? { url, close: () => Promise.resolve() } : forwardGateway(namespace);
}

/** At once, so that nobody is told that it goes. */
async function killPod(
  stage: string,
  watch: PodWatch,
  kubectl: Kubectl,
  signal: AbortSignal,
): Promise<string | null> {
  const victim = (await watch.pods(signal)).find(({ app, pod }) => app === stage && isReady(pod));
  if (victim === undefined) return null;
  const { name } = victim.pod.metadata;
  await kubectl.run(['delete', 'pod', name, '--grace-period=0', '--force']);
  await watch.pods(signal);
  return name;
}
