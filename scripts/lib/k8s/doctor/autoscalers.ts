import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import type { Cluster } from '../kubectl.js';
import {
  appIdOf,
  isOfPods,
  isReady,
  metricPath,
  quantity,
  scalingMetrics,
  STAGES,
  staying,
  type Autoscaler,
  type MetricList,
  type Pod,
  type ScalingMetric,
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
    const metrics = scalingMetrics(autoscaler).map((metric) =>
      checkMetric(cluster, namespace, own, { stage: autoscaler.metadata.name, metric }),
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
  { stage, metric }: { stage: string; metric: ScalingMetric },
): Promise<Finding[]> {
  const { name, target } = metric;
  // One for the whole stage, or one of each of its pods.
  const expected = isOfPods(metric) ? pods.map(({ metadata }) => metadata.name) : [stage];
  let values: MetricValue[];
  try {
    values = (await readMetric(cluster, namespace, metric)).filter(({ of }) => expected.includes(of));
  } catch (error) {
    const fix = `${ServingError.from(error).message}; has the adapter the rules of k8s/adapter/rules.yaml?`;
    return [finding(`${stage}: ${name} exists`, false, fix)];
  }
  const missing = expected.filter((each) => values.every(({ of }) => of !== each));
  const highest = HIGHEST[name] ?? Infinity;
  const mean = values.reduce((sum, { value }) => sum + value, 0) / values.length;
  const shown = values.length === 0 ? '' : ` (${mean.toFixed(3)} on average)`;
  const impossible = values.filter(({ value }) => !(value >= 0 && value <= highest * (1 + TOLERANCE)));
  return [
    finding(
      `${stage}: ${name} exists ${isOfPods(metric) ? `for each of ${pods.length} pods` : 'for the stage'}${shown}`,
      pods.length > 0 && missing.length === 0,
      pods.length === 0
        ? 'no pod is ready'
        : `none for ${missing.join(', ')}: does Prometheus scrape it, four times in the ` +
            'window of k8s/adapter/rules.yaml?',
    ),
    finding(
      `${stage}: ${name} is what it can be`,
      impossible.length === 0,
      `it is ${impossible.map(({ of, value }) => `${value} of ${of}`).join(', ')}: are the adapter's rules those of k8s/adapter/rules.yaml?`,
    ),
    finding(
      `${stage}: ${name} can reach its target of ${target}`,
      target > 0 && target * (1 + TOLERANCE) < highest,
      `it is ${highest} at most, and must pass the target by a tenth: lower averageValue`,
    ),
  ];
}

/** What the autoscaler would see of a metric: a value for each pod, or one of the Deployment. */
interface MetricValue {
  readonly of: string;
  readonly value: number;
}

/** Throws `cluster_failed` when no metrics API is there, or the adapter does not know the metric. */
export async function readMetric(
  cluster: Cluster,
  namespace: string,
  metric: ScalingMetric,
): Promise<MetricValue[]> {
  const { items } = JSON.parse(await cluster.raw(metricPath(namespace, metric.path))) as MetricList;
  return items.map(({ describedObject, value }) => ({ of: describedObject.name, value: quantity(value) }));
}
