import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '../../wait-until.js';
import type { Cluster } from '../kubectl.js';
import type { LoadResult } from '../load.js';
import { appIdOf, podMetrics, quantity, STAGES, type Autoscaler, type Pod } from '../objects.js';
import { readMetric } from './autoscalers.js';
import { finding, type Finding } from './finding.js';

const LOOK_MS = 1_000;

/** The highest value of a metric among a stage's pods, and the target that it is held against. */
interface Peak {
  readonly stage: string;
  readonly metric: string;
  readonly value: number;
  readonly target: number;
}

/** Above this share of its target a metric shows that there is load. Below may be what a probe or a rounding leaves. */
const SHOWS = 0.02;

/**
 * Whether requests are answered, and each autoscaler sees that they come: starts a load, and looks until each stage has
 * a metric that shows it, or `patienceMs` are over. How high it gets is for the load to say, and a mesh that has load
 * already shows it at once; but rates over half a minute are 0 where nobody scrapes. The time that an adapter says a
 * metric is of tells nothing, for it is that of the question.
 */
export async function checkMovement(
  cluster: Cluster,
  namespace: string,
  load: (signal: AbortSignal) => Promise<LoadResult>,
  patienceMs: number,
): Promise<Finding[]> {
  const stop = new AbortController();
  const loading = load(stop.signal);
  const peaks = new Map<string, Peak>();
  const allShow = async (): Promise<boolean> => {
    for (const peak of await readPeaks(cluster, namespace)) {
      const key = `${peak.stage} ${peak.metric}`;
      if (peak.value >= (peaks.get(key)?.value ?? 0)) peaks.set(key, peak);
    }
    return byStage(peaks).every(([, own]) => own.some(showsLoad));
  };
  try {
    await delay(LOOK_MS);
    await waitUntil(allShow, { every: LOOK_MS, limit: patienceMs });
  } finally {
    stop.abort();
    await loading;
  }
  return [answers(await loading), ...byStage(peaks).map(([stage, own]) => shown(stage, own))];
}

const answers = ({ answered, failures }: LoadResult): Finding =>
  finding(
    `requests are answered (${answered})`,
    answered > 0 && failures.length === 0,
    failures[0] ?? 'none came back in time',
  );

const showsLoad = ({ value, target }: Peak): boolean => value > SHOWS * target;

function shown(stage: string, peaks: readonly Peak[]): Finding {
  const values = peaks.map(({ metric, value, target }) => `${metric} ${value.toFixed(3)} of ${target}`);
  return finding(
    `${stage}: its metrics show the load (${values.join(', ')})`,
    peaks.some(showsLoad),
    'they stay where they are without: does Prometheus scrape the pods, four times in the window of k8s/adapter/rules.yaml?',
  );
}

function byStage(peaks: ReadonlyMap<string, Peak>): [stage: string, peaks: Peak[]][] {
  const all = [...peaks.values()];
  return [...new Set(all.map(({ stage }) => stage))].map((stage) => [
    stage,
    all.filter((peak) => peak.stage === stage),
  ]);
}

async function readPeaks(cluster: Cluster, namespace: string): Promise<Peak[]> {
  const autoscalers = await cluster.list<Autoscaler>('horizontalpodautoscalers', STAGES);
  const pods = await cluster.list<Pod>('pods', STAGES);
  const peaks = autoscalers.flatMap((autoscaler) =>
    podMetrics(autoscaler).map(async ({ metric: { name: metric }, target }): Promise<Peak> => {
      const stage = autoscaler.metadata.name;
      const own = new Set(pods.filter((pod) => appIdOf(pod) === stage).map(({ metadata }) => metadata.name));
      const values = (await readMetric(cluster, namespace, metric).catch(() => []))
        .filter(({ pod }) => own.has(pod))
        .map(({ value }) => value);
      return { stage, metric, value: Math.max(0, ...values), target: quantity(target.averageValue) };
    }),
  );
  return Promise.all(peaks);
}
