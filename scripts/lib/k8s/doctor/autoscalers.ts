import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import type { Cluster } from '../kubectl.js';
import {
  appIdOf,
  isReady,
  metricPath,
  podMetrics,
  quantity,
  STAGES,
  staying,
  type Autoscaler,
  type MetricList,
  type Pod,
} from '../objects.js';
import { finding, type Finding } from './finding.js';

/** How far a metric must pass its target before the autoscaler acts (Kubernetes' default). */
const TOLERANCE = 0.1;

/** What a metric can be at most; others have no end. */
const HIGHEST: Readonly<Record<string, number>> = { layermesh_stage_busy_ratio: 1 };

/** Whether each autoscaler sees its metrics, and could ever act on them. */
export async function checkAutoscalers(cluster: Cluster, namespace: string): Promise<Finding[]> {
  const autoscalers = await cluster.list<Autoscaler>('horizontalpodautoscalers', STAGES);
  if (autoscalers.length === 0) {
    return [{ what: 'no autoscalers of stages: replicas are fixed, or KEDA scales them', fix: null }];
  }
  const pods = staying(await cluster.list<Pod>('pods', STAGES)).filter(isReady);
  const findings = autoscalers.map(async (autoscaler) => {
    const own = pods.filter((pod) => appIdOf(pod) === autoscaler.spec.scaleTargetRef.name);
    const metrics = podMetrics(autoscaler).map(({ metric, target }) =>
      checkMetric(cluster, namespace, own, {
        stage: autoscaler.metadata.name,
        name: metric.name,
        target: quantity(target.averageValue),
      }),
    );
    return [...checkBounds(autoscaler), ...(await Promise.all(metrics)).flat()];
  });
  return (await Promise.all(findings)).flat();
}

function checkBounds({ metadata, spec, status }: Autoscaler): Finding[] {
  const active = status?.conditions?.find(({ type }) => type === 'ScalingActive');
  return [
    finding(
      `${metadata.name}: there is room to scale, from ${spec.minReplicas} to ${spec.maxReplicas}`,
      spec.maxReplicas > spec.minReplicas,
      'raise maxReplicas',
    ),
    finding(
      `${metadata.name}: the autoscaler is active`,
      active?.status === 'True',
      active?.message ?? 'it has not looked yet: try again in half a minute',
    ),
  ];
}

async function checkMetric(
  cluster: Cluster,
  namespace: string,
  pods: readonly Pod[],
  { stage, name, target }: { stage: string; name: string; target: number },
): Promise<Finding[]> {
  let values: MetricValue[];
  try {
    const names = new Set(pods.map(({ metadata }) => metadata.name));
    values = (await readMetric(cluster, namespace, name)).filter(({ pod }) => names.has(pod));
  } catch (error) {
    const fix = `${ServingError.from(error).message}; has the adapter the rules of k8s/adapter/rules.yaml?`;
    return [finding(`${stage}: ${name} exists`, false, fix)];
  }
  const missing = pods.filter(({ metadata }) => values.every(({ pod }) => pod !== metadata.name));
  const highest = HIGHEST[name] ?? Infinity;
  const mean = values.reduce((sum, { value }) => sum + value, 0) / values.length;
  const shown = values.length === 0 ? '' : ` (${mean.toFixed(3)} on average)`;
  const impossible = values.filter(({ value }) => !(value >= 0 && value <= highest * (1 + TOLERANCE)));
  return [
    finding(
      `${stage}: ${name} exists for each of ${pods.length} pods${shown}`,
      pods.length > 0 && missing.length === 0,
      pods.length === 0
        ? 'no pod is ready'
        : `none for ${missing.map(({ metadata }) => metadata.name).join(', ')}: does Prometheus scrape it, four times in the ` +
            'window of k8s/adapter/rules.yaml?',
    ),
    finding(
      `${stage}: ${name} is what it can be`,
      impossible.length === 0,
      `it is ${impossible.map(({ pod, value }) => `${value} of ${pod}`).join(', ')}: are the adapter's rules those of k8s/adapter/rules.yaml?`,
    ),
    finding(
      `${stage}: ${name} can reach its target of ${target}`,
      target > 0 && target * (1 + TOLERANCE) < highest,
      `it is ${highest} at most, and must pass the target by a tenth: lower averageValue`,
    ),
  ];
}

/** What the autoscaler would see of a metric, a value for each pod. */
export interface MetricValue {
  readonly pod: string;
  readonly value: number;
}

/** Throws `cluster_failed` when no metrics API is there, or the adapter does not know the metric. */
export async function readMetric(cluster: Cluster, namespace: string, name: string): Promise<MetricValue[]> {
  const { items } = JSON.parse(await cluster.raw(metricPath(namespace, name))) as MetricList;
  return items.map(({ describedObject, value }) => ({ pod: describedObject.name, value: quantity(value) }));
}
