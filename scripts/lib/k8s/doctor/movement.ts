import { waitUntil } from '../../wait-until.js';
import type { Cluster } from '../kubectl.js';
import type { LoadResult } from '../load.js';
import { appIdOf, isOfPods, scalingMetrics, STAGES, type Autoscaler, type Pod } from '../objects.js';
import { readMetric } from './autoscalers.js';
import { finding, type Finding } from './finding.js';

/** Two seconds until a scrape, and what the scrape and this look take. */
const PACE = { lookMs: 250, freshMs: 3_000 };

const DEMAND = 'layermesh_demanded_replicas';

/** The highest value of a metric among a stage's pods, and the target that it is held against. */
interface Peak {
  readonly stage: string;
  readonly metric: string;
  readonly value: number;
  readonly target: number;
  /** It is the demand, which must follow a load at once. */
  readonly isDemand: boolean;
  /** When it was first above what it was without this load, ms since the load began; null while it was not. */
  readonly roseAfter: number | null;
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
  { lookMs, freshMs } = PACE,
): Promise<Finding[]> {
  const before = new Map((await readPeaks(cluster, namespace)).map((peak) => [keyOf(peak), peak]));
  const stop = new AbortController();
  const loading = load(stop.signal);
  const began = performance.now();
  const peaks = new Map(before);
  const demands = (): Peak[] => [...peaks.values()].filter(({ isDemand }) => isDemand);
  const allShow = async (): Promise<boolean> => {
    for (const peak of await readPeaks(cluster, namespace)) {
      const key = keyOf(peak);
      const highest = peaks.get(key);
      const rose = peak.value > (before.get(key)?.value ?? 0) + SHOWS * peak.target;
      const roseAfter = highest?.roseAfter ?? (rose ? performance.now() - began : null);
      peaks.set(key, { ...(peak.value >= (highest?.value ?? 0) ? peak : highest!), roseAfter });
    }
    const isTimed = demands().every(
      ({ roseAfter }) => roseAfter !== null || performance.now() - began > freshMs,
    );
    return isTimed && byStage(peaks).every(([, own]) => own.some(showsLoad));
  };
  try {
    // A little longer than what is too late.
    const limit = demands().length > 0 ? Math.max(patienceMs, freshMs + 4 * lookMs) : patienceMs;
    await waitUntil(allShow, { every: lookMs, limit });
  } finally {
    stop.abort();
    await loading;
  }
  const stages = byStage(peaks);
  const findings = stages.flatMap(([stage, own]) => [
    shown(stage, own),
    ...own.filter(({ isDemand }) => isDemand).map((peak) => fresh(peak, freshMs)),
  ]);
  return [answers(await loading), ...findings];
}

const keyOf = ({ stage, metric }: Peak): string => `${stage} ${metric}`;

/** A mesh that is loaded already may demand no more for a little more load: then nothing can be told. */
function fresh({ stage, metric, value, roseAfter }: Peak, freshMs: number): Finding {
  if (roseAfter === null && value > 0) {
    return {
      what: `${stage}: ${metric} was ${value.toFixed(3)} before and did not rise: how fresh it is was not seen`,
      fix: null,
    };
  }
  const after = roseAfter === null ? '' : ` (after ${(roseAfter / 1000).toFixed(1)} s)`;
  return finding(
    `${stage}: ${metric} follows a load within ${freshMs / 1000} s${after}`,
    roseAfter !== null && roseAfter <= freshMs,
    'let Prometheus scrape the gateways every 2 s or oftener (k8s/README.md, Autoscaling)',
  );
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
    scalingMetrics(autoscaler).map(async (metric): Promise<Peak> => {
      const stage = autoscaler.metadata.name;
      const own = new Set(pods.filter((pod) => appIdOf(pod) === stage).map(({ metadata }) => metadata.name));
      const values = (await readMetric(cluster, namespace, metric).catch(() => []))
        .filter(({ of }) => !isOfPods(metric) || own.has(of))
        .map(({ value }) => value);
      const { name, target } = metric;
      const value = Math.max(0, ...values);
      return { stage, metric: name, value, target, isDemand: name === DEMAND, roseAfter: null };
    }),
  );
  return Promise.all(peaks);
}
