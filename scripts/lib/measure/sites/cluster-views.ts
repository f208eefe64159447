import { sum } from '../figures/statistics.js';
import {
  containersOf,
  holds,
  podMetrics,
  quantity,
  type Autoscaler as WrittenAutoscaler,
  type MetricList,
  type Pod,
  type PodMetric,
} from '../../k8s/objects.js';
import type { MetricView, PodLife, ScaleView } from '../experiment/types.js';

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

export function lifeOf({ metadata, status }: Pod, app: string): PodLife {
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
  };
}

/** `values` holds what the metrics API tells of each pod, by metric. */
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
        .flatMap((each) => podMetrics(each).map((metric) => metricView(name, metric, values))),
    }));
}

function metricView(
  app: string,
  { metric: { name }, target }: PodMetric,
  values: ReadonlyMap<string, MetricValues>,
): MetricView {
  const own = (values.get(name) ?? [])
    .filter(({ describedObject }) => describedObject.name.startsWith(`${app}-`))
    .map(({ value }) => quantity(value));
  const value = own.length === 0 ? null : sum(own) / own.length;
  return { name, value, target: quantity(target.averageValue) };
}
