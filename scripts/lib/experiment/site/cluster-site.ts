import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { GatewayClient } from '../../gateway-client.js';
import { openAiDialect } from '../../bench/targets/dialect.js';
import { HttpTarget } from '../../bench/targets/http-target.js';
import { ownVersion } from '../../bench/arms/own-version.js';
import { delayPods } from '../network/pod-delays.js';
import type { Arm, Deployed, Site } from '../types.js';
import { OWN_LABEL, writeArmOverlay } from './arm-overlay.js';
import { ClusterApi, forwardService } from './cluster-api.js';
import { kubectl } from './kubectl.js';
import { PodWatch } from './pod-watch.js';

export interface ClusterOptions {
  readonly namespace: string;
  readonly tag: string;
  readonly sidecarMilliCpu: number;
  /** Null for the experiment's own. */
  readonly delayCommand: string | null;
  /** For overlays and logs. */
  readonly folder: string;
}

const READY_MS = 240_000;
const SETTLE_MS = 180_000;
const POLL_MS = 1_000;

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
    await this.#removeOld(signal);
    const overlay = join(folder, 'overlays', arm.name);
    await writeArmOverlay(overlay, arm, this.#options);
    const closers: (() => Promise<unknown>)[] = [() => deleteNamespace(namespace)];
    const close = async (): Promise<void> => {
      for (const closer of closers.splice(0).reverse()) await closer();
    };
    try {
      await kubectl(['apply', '--kustomize', overlay], signal);
      const watch = new PodWatch(api, arm, namespace);
      await untilSettled(arm, watch, READY_MS, signal);
      const gateway = { namespace, service: 'gateway', port: 8_000 };
      const tunnel = await forwardService(gateway, join(folder, `port-forward-${arm.name}.log`));
      closers.push(() => tunnel.close());
      const model = await servedModel(arm, tunnel.url, signal);
      return {
        target: new HttpTarget(tunnel.url, openAiDialect(model)),
        observe: (limit) => watch.observe(limit),
        lives: () => watch.lives,
        settle: (limit) => untilSettled(arm, watch, SETTLE_MS, limit),
        delay: async (ms, limit) => {
          const pods = await watch.pods(limit);
          const addresses = pods.flatMap(({ pod }) => pod.status.podIP ?? []);
          return delayPods({ command: this.#options.delayCommand, addresses, ms }, limit);
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

  /** What a run that was killed has left. A namespace that is not the experiment's own is not touched. */
  async #removeOld(signal: AbortSignal): Promise<void> {
    const { namespace } = this.#options;
    const text = await kubectl(
      ['get', 'namespace', namespace, '--ignore-not-found', '--output=json'],
      signal,
    );
    if (text.trim() === '') return;
    const { metadata } = JSON.parse(text) as { metadata: { labels?: Record<string, string> } };
    if (metadata.labels?.[OWN_LABEL] === 'true') return deleteNamespace(namespace);
    throw new ServingError(
      'invalid_config',
      `the namespace ${namespace} is there, and not of an experiment`,
      {
        hint: 'choose another with --namespace',
      },
    );
  }
}

/** Not to be interrupted: nothing is left behind. */
async function deleteNamespace(namespace: string): Promise<void> {
  await kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--wait', '--timeout=180s']);
}

/** Every stage has its least replicas, all ready, and no pod is starting or ending. */
async function untilSettled(arm: Arm, watch: PodWatch, limitMs: number, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const pods = await watch.pods(signal);
    const off = arm.stages.find(({ name, min }) => {
      const own = pods.filter(({ app }) => app === name);
      return own.length !== min || !own.every(({ pod }) => isReady(pod));
    });
    const gateways = pods.filter(({ app }) => app === 'gateway');
    if (off === undefined && gateways.length === 1 && isReady(gateways[0]!.pod)) return;
    if (performance.now() > deadline) {
      const what = off === undefined ? 'the gateway' : off.name;
      throw new ServingError('stage_unavailable', `${what} is not as it should be after ${limitMs / 1000} s`);
    }
    await delay(POLL_MS, undefined, { signal });
  }
}

const isReady = ({ status }: { readonly status: PodStatus }): boolean =>
  status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;

type PodStatus = Awaited<ReturnType<PodWatch['pods']>>[number]['pod']['status'];

/** The id of the model, once every replica is on a route. */
async function servedModel(arm: Arm, url: string, signal: AbortSignal): Promise<string> {
  const gateway = new GatewayClient(url);
  const topology = await gateway.waitUntilReady(
    ({ stages }) => arm.stages.every(({ min }, index) => stages[index]?.replicas.length === min),
    { timeoutMs: READY_MS, signal },
  );
  return topology.model;
}
