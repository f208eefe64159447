import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from '../kubectl.js';
import type { Autoscaler } from '../manifest.js';
import { finding, type Finding } from './finding.js';
import { readMetric } from './metric.js';
import { appIdOf, STAGES, type Pod } from './pod.js';

const LOOK_MS = 1_000;

/** A metric of a stage, and the highest of its pods' values. */
type Peaks = Map<string, number>;

/**
 * Whether each autoscaler's metrics rise when requests come: reads them, starts the load, and looks until all have
 * risen or `patienceMs` are over.
 */
export async function checkMovement(
  cluster: Cluster,
  namespace: string,
  load: (signal: AbortSignal) => Promise<void>,
  patienceMs: number,
): Promise<Finding[]> {
  const before = await readPeaks(cluster, namespace);
  const stop = new AbortController();
  const loading = load(stop.signal);
  const started = performance.now();
  const risen = new Map<string, number>();
  try {
    while (risen.size < before.size && performance.now() - started < patienceMs) {
      await delay(LOOK_MS);
      for (const [metric, value] of await readPeaks(cluster, namespace)) {
        if (value > (before.get(metric) ?? 0) && !risen.has(metric))
          risen.set(metric, (performance.now() - started) / 1000);
      }
    }
  } finally {
    stop.abort();
    await loading;
  }
  return [...before.keys()].map((metric) => {
    const after = risen.get(metric);
    const moved = after === undefined ? 'moves with load' : `moves with load, after ${after.toFixed(0)} s`;
    return finding(
      `${metric} ${moved}`,
      after !== undefined,
      'it has not risen: does Prometheus scrape the pods, and have they been idle before?',
    );
  });
}

async function readPeaks(cluster: Cluster, namespace: string): Promise<Peaks> {
  const autoscalers = await cluster.list<Autoscaler>('horizontalpodautoscalers', STAGES);
  const stageOf = new Map(
    (await cluster.list<Pod>('pods', STAGES)).map((pod) => [pod.metadata.name, appIdOf(pod)]),
  );
  const names = new Set(autoscalers.flatMap(({ spec }) => spec.metrics.map(({ pods }) => pods.metric.name)));
  const peaks: Peaks = new Map();
  for (const name of names) {
    const values = await readMetric(cluster, namespace, name).catch(() => []);
    for (const { metadata } of autoscalers) {
      const own = values.filter(({ pod }) => stageOf.get(pod) === metadata.name).map(({ value }) => value);
      peaks.set(`${metadata.name}: ${name}`, Math.max(0, ...own));
    }
  }
  return peaks;
}
