import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from '../kubectl.js';
import { podMetrics, quantity, type Autoscaler } from '../manifest.js';
import type { LoadResult } from '../load.js';
import { finding, type Finding } from './finding.js';
import { readMetric } from './metric.js';
import { appIdOf, STAGES, type Pod } from './pod.js';

const LOOK_MS = 1_000;

/** A metric of a stage: the highest of its pods' values, and the target that it is held against. */
type Peaks = Map<string, { readonly value: number; readonly target: number }>;

/** A rise by less than this share of the target may be jitter. */
const RISE = 0.1;

/**
 * Whether requests are answered, and each autoscaler's metrics rise when they come: reads them, starts the load, and
 * looks until all have risen or `patienceMs` are over. A metric that rises at once is fresh; the time that an adapter
 * says it is of tells nothing, for it is that of the question.
 */
export async function checkMovement(
  cluster: Cluster,
  namespace: string,
  load: (signal: AbortSignal) => Promise<LoadResult>,
  patienceMs: number,
): Promise<Finding[]> {
  const before = await readPeaks(cluster, namespace);
  const stop = new AbortController();
  const loading = load(stop.signal);
  const started = performance.now();
  const risen = new Map<string, number>();
  try {
    do {
      await delay(LOOK_MS);
      for (const [metric, { value, target }] of await readPeaks(cluster, namespace)) {
        if (value > (before.get(metric)?.value ?? 0) + RISE * target && !risen.has(metric))
          risen.set(metric, (performance.now() - started) / 1000);
      }
    } while (risen.size < before.size && performance.now() - started < patienceMs);
  } finally {
    stop.abort();
    await loading;
  }
  return [answers(await loading), ...movements(before, risen)];
}

const answers = ({ answered, failures }: LoadResult): Finding =>
  finding(
    `requests are answered (${answered})`,
    answered > 0 && failures.length === 0,
    failures[0] ?? 'none came back in time',
  );

function movements(before: Peaks, risen: ReadonlyMap<string, number>): Finding[] {
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
      peaks.set(`${metadata.name}: ${name}`, { value: Math.max(0, ...own), target });
    }
  }
  return peaks;
}
