import {
  containersOf,
  holds,
  isOfPods,
  metricPath,
  quantity,
  scalingMetrics,
  type Autoscaler as WrittenAutoscaler,
  type MetricList,
  serviceOf,
  type Pod,
  type ScalingMetric,
} from '../../k8s/objects.js';
import { readPage, Scrape } from '../../local/metrics-page.js';
import { isScaled } from '../experiment/arm.js';
import type { Arm } from '../experiment/arm.js';
import type { MetricView, Observation, PodLife, PodView, ScaleView, Used } from '../experiment/types.js';
import { stageCountersOf } from '../figures/stage-counters.js';
import { sum } from '../figures/statistics.js';
import type { ClusterApi } from './cluster-api.js';

const SERVICE_PORT = { gateway: 8_000, stage: 7_100 };
const SIDECAR_PORT = 9_090;

interface List<Item> {
  readonly items: readonly Item[];
}

/** Sees an arm through the cluster's API: its Deployments, autoscalers, pods, and what the pods tell of themselves. */
export class PodWatch {
  readonly #api: Pick<ClusterApi, 'url' | 'get'>;
  readonly #arm: Arm;
  readonly #namespace: string;
  readonly #lives = new Map<string, PodLife>();

  constructor(api: Pick<ClusterApi, 'url' | 'get'>, arm: Arm, namespace: string) {
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
    const at = Date.now();
    const { items } = await this.#api.get<List<Pod>>(`/api/v1/namespaces/${this.#namespace}/pods`, signal);
    const pods = items.flatMap((pod) => {
      const app = appOf(pod);
      return app === null ? [] : [{ pod, app }];
    });
    for (const { pod, app } of pods) this.#remember(lifeOf(pod, app));
    this.#end(at, new Set(pods.map(({ pod }) => pod.metadata.name)));
    return pods;
  }

  /** Pods that are there no more; who was asked to end, and has not, still has its device. */
  #end(at: number, there: ReadonlySet<string>): void {
    for (const life of this.#lives.values()) {
      if (life.ended === null && !there.has(life.name)) this.#lives.set(life.name, { ...life, ended: at });
    }
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
    const list = async <Item>(group: string, kind: string): Promise<readonly Item[]> => {
      const path = `/apis/${group}/namespaces/${this.#namespace}/${kind}`;
      return (await this.#api.get<List<Item>>(path, signal)).items;
    };
    const deployments = list<Deployment>('apps/v1', 'deployments');
    if (!isScaled(this.#arm)) return scaleViews(await deployments, [], new Map());
    const autoscalers = await list<Autoscaler>('autoscaling/v2', 'horizontalpodautoscalers');
    const paths = new Set(autoscalers.flatMap((each) => scalingMetrics(each).map(({ path }) => path)));
    const values = await Promise.all(
      [...paths].map(async (path) => [path, await this.#metric(path, signal)] as const),
    );
    return scaleViews(await deployments, autoscalers, new Map(values));
  }

  /** Nothing while the metric does not exist yet. */
  async #metric(path: string, signal: AbortSignal): Promise<MetricList['items']> {
    const list = this.#api.get<MetricList>(metricPath(this.#namespace, path), signal);
    return (await list.catch(() => null))?.items ?? [];
  }

  async #view(pod: Pod, app: string, signal: AbortSignal): Promise<PodView> {
    const { name } = pod.metadata;
    const proxied = `${this.#api.url}/api/v1/namespaces/${this.#namespace}/pods/${name}`;
    const read = (port: number): Promise<string | null> =>
      readPage(`${proxied}:${port}/proxy/metrics`, signal);
    const [service, sidecar] = await Promise.all([
      read(app === 'gateway' ? SERVICE_PORT.gateway : SERVICE_PORT.stage),
      this.#arm.mesh === 'dapr' ? read(SIDECAR_PORT) : null,
    ]);
    return podViewOf({ name, app, cpuLimit: cpuLimitOf(pod) }, service, sidecar);
  }
}

/** A pod as the pages of its service and its sidecar tell; null for a page that cannot be had. */
export function podViewOf(
  pod: Pick<PodView, 'name' | 'app' | 'cpuLimit'>,
  service: string | null,
  sidecar: string | null,
): PodView {
  return {
    ...pod,
    service: usedOf(service),
    sidecar: usedOf(sidecar),
    counters: service === null || pod.app === 'gateway' ? null : stageCountersOf(service),
  };
}

/** What a process has used, by the figures that every Prometheus client library gives. */
function usedOf(page: string | null): Used | null {
  if (page === null) return null;
  const scrape = new Scrape(page);
  return {
    cpuSeconds: scrape.total('process_cpu_seconds_total'),
    rssBytes: scrape.total('process_resident_memory_bytes'),
  };
}

/** What is read of a Deployment to see how it is scaled. */
export interface Deployment {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly replicas: number };
  readonly status: { readonly readyReplicas?: number };
}

export interface Autoscaler {
  readonly spec: Pick<WrittenAutoscaler['spec'], 'scaleTargetRef' | 'metrics'>;
}

type MetricValues = MetricList['items'];

/** The stage or gateway that a pod is of; null for pods that are neither, such as the state store's. */
export function appOf({ metadata }: Pod): string | null {
  const app = metadata.annotations?.['dapr.io/app-id'] ?? '';
  return /^(gateway|stage-\d+)$/.test(app) ? app : null;
}

/** CPU limits of all containers of a pod that run for as long as it does, processors. */
export const cpuLimitOf = (pod: Pod): number =>
  sum(containersOf(pod).map(({ resources }) => quantity(resources?.limits?.cpu ?? '0')));

export function lifeOf(pod: Pod, app: string): PodLife {
  const { metadata, status } = pod;
  const timeOf = (text: string | undefined): number | null => (text === undefined ? null : Date.parse(text));
  const since = (type: string): number | null => timeOf(holds(status.conditions, type)?.lastTransitionTime);
  const service = status.containerStatuses?.find(({ name }) => app.startsWith(name));
  return {
    name: metadata.name,
    app,
    created: Date.parse(metadata.creationTimestamp),
    scheduled: since('PodScheduled'),
    started: timeOf(service?.state?.running?.startedAt),
    ready: since('Ready'),
    ended: null,
    device: serviceOf(pod).env?.find(({ name }) => name === 'LAYERMESH_DEVICE')?.value ?? null,
  };
}

/** `values` holds what the metrics API tells, by the metric's path. */
export function scaleViews(
  deployments: readonly Deployment[],
  autoscalers: readonly Autoscaler[],
  values: ReadonlyMap<string, MetricValues>,
): ScaleView[] {
  return deployments
    .filter(({ metadata }) => /^stage-\d+$/.test(metadata.name))
    .map(({ metadata: { name }, spec, status }) => ({
      app: name,
      desired: spec.replicas,
      ready: status.readyReplicas ?? 0,
      metrics: autoscalers
        .filter((each) => each.spec.scaleTargetRef.name === name)
        .flatMap((each) =>
          scalingMetrics(each).map((metric) => metricView(name, metric, values, spec.replicas)),
        ),
    }));
}

function metricView(
  app: string,
  metric: ScalingMetric,
  values: ReadonlyMap<string, MetricValues>,
  replicas: number,
): MetricView {
  const { name, target, path } = metric;
  const own = (values.get(path) ?? [])
    .filter(({ describedObject }) => !isOfPods(metric) || describedObject.name.startsWith(`${app}-`))
    .map(({ value }) => quantity(value));
  const value = own.length === 0 ? null : sum(own) / (isOfPods(metric) ? own.length : Math.max(1, replicas));
  return { name, value, target };
}
