import { podMetrics } from '../../k8s/manifest.js';
import type { Arm, Observation, PodLife, PodView } from '../types.js';
import type { ClusterApi } from './cluster-api.js';
import {
  appOf,
  cpuLimitOf,
  lifeOf,
  scaleViews,
  type Autoscaler,
  type Deployment,
  type List,
  type MetricValue,
  type Pod,
} from './cluster-views.js';
import { isScaled } from './arm-overlay.js';
import { podViewOf, readPage } from './read-pod.js';

const SERVICE_PORT = { gateway: 8_000, stage: 7_100 };
const SIDECAR_PORT = 9_090;

type Api = Pick<ClusterApi, 'url' | 'get'>;

/** Sees an arm through the cluster's API: its Deployments, autoscalers, pods, and what the pods tell of themselves. */
export class PodWatch {
  readonly #api: Api;
  readonly #arm: Arm;
  readonly #namespace: string;
  readonly #lives = new Map<string, PodLife>();

  constructor(api: Api, arm: Arm, namespace: string) {
    this.#api = api;
    this.#arm = arm;
    this.#namespace = namespace;
  }

  get lives(): readonly PodLife[] {
    return [...this.#lives.values()];
  }

  async observe(signal: AbortSignal): Promise<Observation> {
    const at = Date.now();
    const [scales, pods] = await Promise.all([this.#scales(signal), this.pods(signal)]);
    const views = pods.map(({ pod, app }) => this.#view(pod, app, signal));
    return { at, scales, pods: await Promise.all(views) };
  }

  /** Every pod of the gateway and of the stages, those that are ending too. */
  async pods(signal: AbortSignal): Promise<{ readonly pod: Pod; readonly app: string }[]> {
    const { items } = await this.#api.get<List<Pod>>(`/api/v1/namespaces/${this.#namespace}/pods`, signal);
    const pods = items.flatMap((pod) => {
      const app = appOf(pod);
      return app === null ? [] : [{ pod, app }];
    });
    for (const { pod, app } of pods) this.#remember(lifeOf(pod, app));
    return pods;
  }

  /** A pod that ends is not ready any more, but has been. */
  #remember(life: PodLife): void {
    const known = this.#lives.get(life.name);
    this.#lives.set(life.name, {
      ...life,
      started: known?.started ?? life.started,
      ready: known?.ready ?? life.ready,
    });
  }

  async #scales(signal: AbortSignal): Promise<Observation['scales']> {
    const list = <Item>(group: string, kind: string): Promise<List<Item>> =>
      this.#api.get(`/apis/${group}/namespaces/${this.#namespace}/${kind}`, signal);
    const deployments = list<Deployment>('apps/v1', 'deployments');
    if (!isScaled(this.#arm)) return scaleViews((await deployments).items, [], new Map());
    const autoscalers = (await list<Autoscaler>('autoscaling/v2', 'horizontalpodautoscalers')).items;
    const names = new Set(autoscalers.flatMap((each) => podMetrics(each).map(({ metric }) => metric.name)));
    const values = await Promise.all(
      [...names].map(async (name) => [name, await this.#metric(name, signal)] as const),
    );
    return scaleViews((await deployments).items, autoscalers, new Map(values));
  }

  /** Nothing while the metric does not exist yet. */
  async #metric(name: string, signal: AbortSignal): Promise<readonly MetricValue[]> {
    const path = `/apis/custom.metrics.k8s.io/v1beta2/namespaces/${this.#namespace}/pods/*/${name}`;
    const list = await this.#api.get<List<MetricValue>>(path, signal).catch(() => null);
    return list?.items ?? [];
  }

  async #view(pod: Pod, app: string, signal: AbortSignal): Promise<PodView> {
    const { name } = pod.metadata;
    const read = (port: number): Promise<string | null> =>
      readPage(
        `${this.#api.url}/api/v1/namespaces/${this.#namespace}/pods/${name}:${port}/proxy/metrics`,
        signal,
      );
    const [service, sidecar] = await Promise.all([
      read(app === 'gateway' ? SERVICE_PORT.gateway : SERVICE_PORT.stage),
      this.#arm.mesh === 'dapr' ? read(SIDECAR_PORT) : null,
    ]);
    return podViewOf({ name, app, cpuLimit: cpuLimitOf(pod) }, service, sidecar);
  }
}
