import type { EngineInfo } from '../../lib/wire/gen/stage_pb.js';

/** What a replica computes with. */
export type Compute = Omit<EngineInfo, '$typeName' | '$unknown'>;

/**
 * Engines that a replica tells of: with more than these no more steps run at once than there are sequences to fill them,
 * and every ping of every link is answered with the list.
 */
const MOST_ENGINES = 64;

/** What replicas of a stage compute with, and those after them, each once: all of them know those after them. */
export function enginesOf(
  statuses: readonly { readonly engine?: Compute; readonly enginesAfter: readonly Compute[] }[],
): Compute[] {
  const engines = new Map<string, Compute>();
  for (const { engine, enginesAfter } of statuses) {
    for (const each of engine === undefined ? enginesAfter : [engine, ...enginesAfter]) {
      if (engines.size === MOST_ENGINES) return [...engines.values()];
      engines.set(each.replica, each);
    }
  }
  return [...engines.values()];
}

/**
 * How many steps engines can compute at the same time without taking processors from one another: for each
 * owner of processors as many as its engines' threads leave room for, but no more than it has engines, and
 * at least one.
 */
export function parallelSteps(engines: Iterable<Omit<Compute, 'meanStepSeconds' | 'hopSeconds'>>): number {
  const owners = new Map<string, { engines: number; room: number }>();
  for (const { owner, processors, threads } of engines) {
    const { engines: others, room } = owners.get(owner) ?? { engines: 0, room: Infinity };
    owners.set(owner, {
      engines: others + 1,
      room: Math.min(room, Math.max(1, Math.floor(processors / Math.max(1, threads)))),
    });
  }
  return [...owners.values()].reduce((sum, { engines: count, room }) => sum + Math.min(count, room), 0);
}

/** Whether all of them compute on the same processors. */
export const shareProcessors = (engines: readonly Pick<Compute, 'owner'>[]): boolean =>
  new Set(engines.map(({ owner }) => owner)).size === 1;

/**
 * How many groups that begin at a replica of stage 0 are out, on average, when the busiest stage is busy all the time: with
 * more groups than that, groups wait for it. By Little's law the time of a round over the time from one group to the next in the
 * busiest stage; of those whose steps are computed no more than `parallelSteps`, and just that while an engine has not told what its
 * steps take, or there are more than tell of themselves. `share`: which part of what comes to the next stage comes from this replica.
 */
export function groupsAtOnce(own: Compute, after: readonly Compute[], share: number): number {
  const engines = [own, ...after];
  const computed = parallelSteps(engines);
  const isUnknown = engines.some(({ meanStepSeconds }) => meanStepSeconds === 0);
  if (isUnknown || after.length === MOST_ENGINES) return computed;
  const later = stagesOf(after).map((replicas) => {
    const step = mean(replicas.map(({ meanStepSeconds }) => meanStepSeconds));
    const hop = mean(replicas.map(({ hopSeconds }) => hopSeconds));
    return { step, hop, interval: step / (replicas.length * Math.min(1, share)) };
  });
  const interval = Math.max(own.meanStepSeconds, ...later.map((stage) => stage.interval));
  const steps = later.reduce((sum, { step }) => sum + step, own.meanStepSeconds);
  // Where engines share processors, the way takes its part of them, too: nothing is idle that one more group could fill.
  if (computed < engines.length) return Math.min(computed, steps / interval);
  return (steps + wayOf([own.hopSeconds, ...later.map(({ hop }) => hop)])) / interval;
}

/** Seconds that a group is on the way in a round. From the head it comes back by way of the gateway, whose two hops nobody here knows: they are taken for two like the others. */
function wayOf(hops: readonly number[]): number {
  const known = hops.length - 1;
  return known === 0 ? 0 : (hops.reduce((sum, hop) => sum + hop, 0) * (known + 2)) / known;
}

function stagesOf(engines: readonly Compute[]): Compute[][] {
  const stages = new Map<string, Compute[]>();
  for (const engine of engines) {
    const stage = engine.replica.slice(0, engine.replica.indexOf('/'));
    stages.set(stage, [...(stages.get(stage) ?? []), engine]);
  }
  return [...stages.values()];
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
