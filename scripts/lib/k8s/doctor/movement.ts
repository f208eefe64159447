import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from '../kubectl.js';
import { podMetrics, quantity, type Autoscaler } from '../manifest.js';
import type { LoadResult } from '../load.js';
import { finding, type Finding } from './finding.js';
import { readMetric } from './metric.js';
import { appIdOf, STAGES, type Pod } from './pod.js';

const LOOK_MS = 1_000;

/** Of a metric: the highest of a stage's pods' values, and the target that it is held against. */
interface Peak {
  readonly value: number;
  readonly target: number;
}

/** By stage, then by metric. */
type Peaks = Map<string, Map<string, Peak>>;

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
  const started = performance.now();
  const peaks: Peaks = new Map();
  try {
    do {
      await delay(LOOK_MS);
      raise(peaks, await readPeaks(cluster, namespace));
    } while (
      [...peaks.values()].some((stage) => !showsLoad(stage)) &&
      performance.now() - started < patienceMs
    );
  } finally {
    stop.abort();
    await loading;
  }
  return [answers(await loading), ...[...peaks].map(([stage, metrics]) => shown(stage, metrics))];
}

const answers = ({ answered, failures }: LoadResult): Finding =>
  finding(
    `requests are answered (${answered})`,
    answered > 0 && failures.length === 0,
    failures[0] ?? 'none came back in time',
  );

const showsLoad = (metrics: ReadonlyMap<string, Peak>): boolean =>
  [...metrics.values()].some(({ value, target }) => value > SHOWS * target);

function shown(stage: string, metrics: ReadonlyMap<string, Peak>): Finding {
  const values = [...metrics].map(([name, { value, target }]) => `${name} ${value.toFixed(3)} of ${target}`);
  return finding(
    `${stage}: its metrics show the load (${values.join(', ')})`,
    showsLoad(metrics),
    'they stay where they are without: does Prometheus scrape the pods, four times in the window of k8s/adapter/rules.yaml?',
  );
}

function raise(peaks: Peaks, now: Peaks): void {
  for (const [stage, metrics] of now) {
    const before = peaks.get(stage) ?? new Map<string, Peak>();
    for (const [name, peak] of metrics) {
      if (peak.value >= (before.get(name)?.value ?? 0)) before.set(name, peak);
    }
    peaks.set(stage, before);
  }
}

async function readPeaks(cluster: Cluster, namespace: string): Promise<Peaks> {
  const autoscalers = await cluster.list<Autoscaler>('horizontalpodautoscalers', STAGES);
  const stageOf = new Map(
    (await cluster.list<Pod>('pods', STAGES)).map((pod) => [pod.metadata.name, appIdOf(pod)]),
  );
  const names = new Set(autoscalers.flatMap((each) => podMetrics(each).map(({ metric }) => metric.name)));
  const peaks: Peaks = new Map();
  for (const name of names) {
    const values = await readMetric(cluster, namespace, name).catch(() => []);
    for (const autoscaler of autoscalers) {
      const { metadata } = autoscaler;
      const metric = podMetrics(autoscaler).find((each) => each.metric.name === name);
      if (metric === undefined) continue;
      const target = quantity(metric.target.averageValue);
      const own = values.filter(({ pod }) => stageOf.get(pod) === metadata.name).map(({ value }) => value);
      const stage = peaks.get(metadata.name) ?? new Map<string, Peak>();
      peaks.set(metadata.name, stage.set(name, { value: Math.max(0, ...own), target }));
    }
  }
  return peaks;
}
