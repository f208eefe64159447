import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import type { Cluster } from '../kubectl.js';
import { quantity, type Autoscaler } from '../manifest.js';
import { finding, type Finding } from './finding.js';
import { readMetric, type MetricValue } from './metric.js';
import { appIdOf, isReady, STAGES, staying, type Condition, type Pod } from './pod.js';

/** How far a metric must pass its target before the autoscaler acts (Kubernetes' default). */
const TOLERANCE = 0.1;
/** An older value is not looked at any more than none. */
const FRESH_MS = 60_000;

/** What a metric can be at most; others have no end. */
const HIGHEST: Readonly<Record<string, number>> = { layermesh_stage_busy_ratio: 1 };

export interface LiveAutoscaler extends Autoscaler {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** Whether each autoscaler sees its metrics, and could ever act on them. */
export async function checkAutoscalers(cluster: Cluster, namespace: string): Promise<Finding[]> {
  const autoscalers = await cluster.list<LiveAutoscaler>('horizontalpodautoscalers', STAGES);
  if (autoscalers.length === 0) {
    return [{ what: 'no autoscalers of stages: replicas are fixed, or KEDA scales them', fix: null }];
  }
  const pods = staying(await cluster.list<Pod>('pods', STAGES)).filter(isReady);
  const findings = autoscalers.map(async (autoscaler) => {
    const own = pods.filter((pod) => appIdOf(pod) === autoscaler.spec.scaleTargetRef.name);
    const metrics = autoscaler.spec.metrics.map(({ pods: { metric, target } }) =>
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

function checkBounds({ metadata, spec, status }: LiveAutoscaler): Finding[] {
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
  const oldest = Math.max(...values.map(({ at }) => Date.now() - at));
  const highest = HIGHEST[name] ?? Infinity;
  const mean = values.reduce((sum, { value }) => sum + value, 0) / values.length;
  return [
    finding(
      `${stage}: ${name} exists for each of ${pods.length} pods`,
      pods.length > 0 && missing.length === 0,
      pods.length === 0
        ? 'no pod is ready'
        : `none for ${missing.map(({ metadata }) => metadata.name).join(', ')}: does Prometheus scrape it, four times in the ` +
            'window of k8s/adapter/rules.yaml?',
    ),
    ...(values.length === 0
      ? []
      : [
          finding(
            `${stage}: ${name} is fresh (${mean.toFixed(3)} on average)`,
            oldest < FRESH_MS,
            `${(oldest / 1000).toFixed(0)} s old: is Prometheus running, and the clock right?`,
          ),
        ]),
    finding(
      `${stage}: ${name} can reach its target of ${target}`,
      target > 0 && target * (1 + TOLERANCE) < highest,
      `it is ${highest} at most, and must pass the target by a tenth: lower averageValue`,
    ),
  ];
}
