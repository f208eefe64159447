import type { Cluster } from '../kubectl.js';
import { quantity } from '../manifest.js';

/** What the autoscaler would see of a metric, a value for each pod. */
export interface MetricValue {
  readonly pod: string;
  readonly value: number;
  /** When the adapter made it, ms since the epoch. */
  readonly at: number;
}

interface MetricList {
  readonly items: readonly {
    readonly describedObject: { readonly name: string };
    readonly timestamp: string;
    readonly value: string;
  }[];
}

/** Throws `cluster_failed` when no metrics API is there, or the adapter does not know the metric. */
export async function readMetric(cluster: Cluster, namespace: string, name: string): Promise<MetricValue[]> {
  const path = `/apis/custom.metrics.k8s.io/v1beta2/namespaces/${namespace}/pods/*/${name}`;
  const { items } = JSON.parse(await cluster.raw(path)) as MetricList;
  return items.map(({ describedObject, timestamp, value }) => ({
    pod: describedObject.name,
    value: quantity(value),
    at: Date.parse(timestamp),
  }));
}
