import {
  podMetrics,
  quantity,
  type Autoscaler as AutoscalerManifest,
  type PodMetric,
} from '../../k8s/manifest.js';
import type { MetricView, PodLife, ScaleView } from '../types.js';

/** What is read of the API's objects. */
export interface List<Item> {
  readonly items: readonly Item[];
}

export interface Deployment {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly replicas: number };
  readonly status: { readonly readyReplicas?: number };
}

export interface Autoscaler {
  readonly spec: Pick<AutoscalerManifest['spec'], 'scaleTargetRef' | 'metrics'>;
}

interface Container {
  readonly resources?: { readonly limits?: { readonly cpu?: string } };
}

export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly creationTimestamp: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly containers: readonly Container[];
    /** A native sidecar is one of these. */
    readonly initContainers?: readonly Container[];
  };
  readonly status: {
    readonly podIP?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly lastTransitionTime: string;
    }[];
    readonly containerStatuses?: readonly {
      readonly name: string;
      readonly state: { readonly running?: { readonly startedAt: string } };
    }[];
  };
}

export interface MetricValue {
  readonly describedObject: { readonly name: string };
  readonly value: string;
}

/** The stage or gateway that a pod is of; null for pods that are neither, such as the state store's. */
export function appOf({ metadata }: Pod): string | null {
  const app = metadata.annotations?.['dapr.io/app-id'] ?? '';
  return /^(gateway|stage-\d+)$/.test(app) ? app : null;
}

/** CPU limits of all containers of a pod that run for as long as it does, processors. */
export const cpuLimitOf = ({ spec }: Pod): number =>
  [...spec.containers, ...(spec.initContainers ?? [])].reduce(
    (sum, { resources }) => sum + quantity(resources?.limits?.cpu ?? '0'),
    0,
  );

export function lifeOf(pod: Pod, app: string): PodLife {
  const { metadata, status } = pod;
  const since = (type: string): number | null => {
    const found = status.conditions?.find((each) => each.type === type && each.status === 'True');
    return found === undefined ? null : Date.parse(found.lastTransitionTime);
  };
  const service = status.containerStatuses?.find(({ name }) => app.startsWith(name));
  const started = service?.state.running?.startedAt;
  return {
    name: metadata.name,
    app,
    created: Date.parse(metadata.creationTimestamp),
    scheduled: since('PodScheduled'),
    started: started === undefined ? null : Date.parse(started),
    ready: since('Ready'),
  };
}

/** `values` holds what the metrics API tells of each pod, by metric. */
export function scaleViews(
  deployments: readonly Deployment[],
  autoscalers: readonly Autoscaler[],
  values: ReadonlyMap<string, readonly MetricValue[]>,
): ScaleView[] {
  return deployments
    .filter(({ metadata }) => /^stage-\d+$/.test(metadata.name))
    .map(({ metadata: { name }, spec, status }) => ({
      app: name,
      desired: spec.replicas,
      ready: status.readyReplicas ?? 0,
      metrics: autoscalers
        .filter((each) => each.spec.scaleTargetRef.name === name)
        .flatMap((each) => podMetrics(each).map((metric) => metricView(name, metric, values))),
    }));
}

function metricView(
  app: string,
  { metric: { name }, target }: PodMetric,
  values: ReadonlyMap<string, readonly MetricValue[]>,
): MetricView {
  const own = (values.get(name) ?? []).filter(({ describedObject }) =>
    describedObject.name.startsWith(`${app}-`),
  );
  const mean = own.reduce((sum, { value }) => sum + quantity(value), 0) / own.length;
  return { name, value: own.length === 0 ? null : mean, target: quantity(target.averageValue) };
}
