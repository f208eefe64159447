import type { Observation, PodLife, PodView, ScaleView, Trial } from '../experiment/types.js';

/**
 * How an autoscaler came to one more replica of a stage; each a time in milliseconds since the load rose, null for what
 * did not happen. Everything is seen once a second.
 */
export interface Reaction {
  readonly app: string;
  /** The engines of its replicas compute for more of the time than they may, or its metric says already that they will. */
  readonly breach: number;
  /** The metrics API tells of a metric above its target. */
  readonly visible: number | null;
  /** The Deployment asks for more replicas. */
  readonly decided: number | null;
  /** The first of the new pods has a node, */
  readonly scheduled: number | null;
  /** passes its readiness probe, */
  readonly ready: number | null;
  /** and has computed its first output tokens. */
  readonly serving: number | null;
  /** From when it could be found until it was given a sequence, by its own clock; ms. */
  readonly unused: number | null;
}

type Times = Pick<Reaction, 'visible' | 'decided' | 'ready' | 'serving'>;

/** What a reaction is made of, each from the end of the one before. */
const PARTS: readonly (readonly [name: string, from: keyof Times | null, to: keyof Times])[] = [
  ['load to metric', null, 'visible'],
  ['metric to HPA', 'visible', 'decided'],
  ['HPA to ready', 'decided', 'ready'],
  ['ready to first token', 'ready', 'serving'],
  ['in all', null, 'serving'],
];
export const REACTION_PARTS: readonly string[] = PARTS.map(([name]) => name);

/** Seconds of each of `REACTION_PARTS`; null where one of its ends has not been. */
export const reactionParts = (reaction: Times | null): (number | null)[] =>
  PARTS.map(([, from, to]) => {
    const end = reaction?.[to] ?? null;
    const start = from === null ? 0 : (reaction?.[from] ?? null);
    return end === null || start === null ? null : (end - start) / 1000;
  });

/** Share of the time that an engine may compute (docs/adr/007-autoscaling-metrics.md). */
const MOST_BUSY = 0.7;

/** Over which the engines' own share of time is taken: short, for the metric's own delay is to be seen. */
const WINDOW_MS = 2_000;
/** What Kubernetes tells is in whole seconds, rounded down. */
const ROUNDING_MS = 1_000;

type Seen = Pick<Trial, 'observations' | 'lives'>;

/** The first reaction of each stage that has an autoscaler to a load that rose at `roseAt`, ms since 1970. */
export function reactionsOf(trial: Seen, roseAt: number): Reaction[] {
  const scaled = trial.observations[0]?.scales.filter(({ metrics }) => metrics.length > 0) ?? [];
  return scaled.flatMap(({ app }) => reactionOf(app, trial, roseAt) ?? []);
}

function reactionOf(app: string, { observations, lives }: Seen, roseAt: number): Reaction | null {
  const after = observations.filter(({ at }) => at >= roseAt);
  const breach = after.find((each) => isBusy(each, observations, app) || isAbove(scaleOf(each, app)));
  if (breach === undefined) return null;
  const later = after.filter(({ at }) => at >= breach.at);
  const visible = later.find((each) => isAbove(scaleOf(each, app)));
  const before = scaleOf(breach, app)?.desired ?? 0;
  const decided = later.find((each) => (scaleOf(each, app)?.desired ?? 0) > before);
  const born = firstBorn(app, lives, decided);
  const serving = later.find(({ pods }) => pods.some((pod) => pod.name === born?.name && hasServed(pod)));
  const unused = serving?.pods.find(({ name }) => name === born?.name)?.counters?.firstSequenceSeconds;
  const since = (at: number | null | undefined): number | null => (at ? at - roseAt : null);
  return {
    app,
    breach: breach.at - roseAt,
    visible: since(visible?.at),
    decided: since(decided?.at),
    scheduled: since(born?.scheduled),
    ready: since(born?.ready),
    serving: since(serving?.at),
    unused: unused ? unused * 1000 : null,
  };
}

const scaleOf = ({ scales }: Observation, app: string): ScaleView | undefined =>
  scales.find((scale) => scale.app === app);

/** By what the replicas themselves tell, before anybody has scraped it. */
function isBusy(now: Observation, all: readonly Observation[], app: string): boolean {
  const before = all.findLast(({ at }) => at <= now.at - WINDOW_MS);
  if (before === undefined) return false;
  const shares = now.pods
    .filter((pod) => pod.app === app)
    .flatMap((pod) => {
      const earlier = before.pods.find(({ name }) => name === pod.name)?.counters;
      if (!earlier || pod.counters === null) return [];
      return [(pod.counters.busySeconds - earlier.busySeconds) / ((now.at - before.at) / 1000)];
    });
  return shares.length > 0 && shares.reduce((sum, share) => sum + share, 0) / shares.length > MOST_BUSY;
}

const isAbove = (scale: ScaleView | undefined): boolean =>
  scale?.metrics.some(({ value, target }) => value !== null && value > target) ?? false;

/** Of the pods that came of the decision, the one that was ready first. */
function firstBorn(
  app: string,
  lives: readonly PodLife[],
  decided: Observation | undefined,
): PodLife | undefined {
  if (decided === undefined) return undefined;
  return lives
    .filter((life) => life.app === app && life.created >= decided.at - 2 * ROUNDING_MS)
    .sort((one, other) => (one.ready ?? Infinity) - (other.ready ?? Infinity))[0];
}

const hasServed = ({ counters }: PodView): boolean => counters !== null && counters.decodeSteps > 0;
