import { setTimeout as delay } from 'node:timers/promises';
import { parseSplit } from '../../../../services/lib/model/split.js';
import { expectSoon } from '../../k8s/kubectl.js';
import type { DeployedMesh } from '../../k8s/deploy.js';
import { makeLoad, type LoadOptions, type LoadResult } from '../../k8s/load.js';
import { isReady } from '../../k8s/objects.js';
import { waitUntil, within } from '../../wait-until.js';
import type { Arm } from '../experiment/arm.js';
import type { Observation } from '../experiment/types.js';
import { reactionsOf, type Reaction } from '../figures/reaction.js';
import { PodWatch } from '../sites/pod-watch.js';
import type { ClusterApi } from '../sites/cluster-api.js';

/** One rise of load and what became of it. */
export interface ReactionRound {
  /** Of the first stage that came to a further replica; null where none did in time. */
  readonly reaction: Reaction | null;
  /** Of all requests while it lasted. */
  readonly answered: number;
  readonly failures: readonly string[];
}

/** Between two looks: what is told of a moment is right to this and what the look takes. */
const LOOK_MS = 250;
/** A look that takes longer is one that is missing. */
const LOOK_LIMIT_MS = 5_000;
/** Seen before the load rises, so that there is something to compare with. */
const CALM_MS = 3_000;
const REACTION_MS = 240_000;
const SETTLE_MS = 420_000;

/**
 * Lets load rise from nothing on a mesh with one replica of each stage under autoscalers, until a further replica of a stage computes
 * tokens, and then waits until all is as before: so many times. Every moment counts from the rise.
 */
export async function* measureReactions(
  mesh: DeployedMesh,
  api: ClusterApi,
  { split, rounds, load }: { readonly split: string; readonly rounds: number; readonly load: LoadOptions },
  signal: AbortSignal,
): AsyncGenerator<ReactionRound> {
  for (let round = 0; round < rounds; round++) {
    // Anew each time: a watch remembers all pods that it has seen.
    const watch = new PodWatch(api, armOf(split), mesh.namespace);
    await untilSettled(watch, mesh, split, signal);
    yield await measureReaction(watch, mesh, load, signal);
  }
}

async function measureReaction(
  watch: PodWatch,
  mesh: DeployedMesh,
  options: LoadOptions,
  signal: AbortSignal,
): Promise<ReactionRound> {
  const observations: Observation[] = [];
  const stop = new AbortController();
  const watching = observe(watch, observations, AbortSignal.any([signal, stop.signal]));
  const loadStop = new AbortController();
  let loading: Promise<LoadResult> | undefined;
  try {
    await delay(CALM_MS, undefined, { signal });
    const roseAt = Date.now();
    loading = makeLoad(mesh.url, options, loadStop.signal);
    const served = (): Reaction | null =>
      reactionsOf({ observations, lives: watch.lives }, roseAt).find(({ serving }) => serving !== null) ??
      null;
    const reaction = await waitUntil(served, { every: LOOK_MS, limit: REACTION_MS, signal });
    loadStop.abort();
    const { answered, failures } = await loading;
    return { reaction, answered, failures };
  } finally {
    loadStop.abort();
    stop.abort();
    await Promise.all([watching, loading]);
  }
}

/** Until it is told to stop; a look that fails is one that is missing. */
async function observe(watch: PodWatch, into: Observation[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const seen = await within(LOOK_LIMIT_MS, signal, (limit) => watch.observe(limit)).catch(() => null);
    if (seen !== null) into.push(seen);
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Each stage has one pod, which is ready and known to the gateway, and nothing is demanded any more. */
async function untilSettled(
  watch: PodWatch,
  mesh: DeployedMesh,
  split: string,
  signal: AbortSignal,
): Promise<void> {
  const { stages } = armOf(split);
  const unsettled = async (): Promise<string[]> => {
    const pods = await watch.pods(signal);
    const { scales } = await watch.observe(signal);
    const isSettled = async ({ name }: { name: string }): Promise<boolean> => {
      const own = pods.filter(({ app }) => app === name);
      const metrics = scales.find(({ app }) => app === name)?.metrics ?? [];
      return (
        own.length === 1 &&
        own.every(({ pod }) => isReady(pod)) &&
        metrics.every(({ value, target }) => value === null || value < target / 2) &&
        (await mesh.routed(name)).length === 1
      );
    };
    const settled = await Promise.all(stages.map(isSettled));
    return stages.filter((_, index) => !settled[index]).map(({ name }) => name);
  };
  await expectSoon('one replica of each stage, and calm', async () => (await unsettled()).length === 0, {
    limit: SETTLE_MS,
    signal,
    details: async () => (await unsettled()).join(', '),
  });
}

/** What a watch wants to know of the mesh. */
const armOf = (split: string): Arm => ({
  name: 'reaction',
  title: '',
  // Of no matter to a watch.
  split: [],
  stages: parseSplit(split, Number.MAX_SAFE_INTEGER).map((_, index) => ({
    name: `stage-${index}`,
    min: 1,
    max: 2,
    milliCpu: 0,
    sidecarMilliCpu: 0,
  })),
  mesh: 'dapr',
});
