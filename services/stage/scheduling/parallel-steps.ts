import type { EngineInfo } from '../../lib/wire/gen/stage_pb.js';

/** What a replica computes with. */
export type Compute = Omit<EngineInfo, '$typeName' | '$unknown'>;

/** What replicas of a stage compute with, and all after them, each once: all of them know those after them. */
export function enginesOf(
  statuses: readonly { readonly engine?: Compute; readonly enginesAfter: readonly Compute[] }[],
): Compute[] {
  const engines = statuses.flatMap(({ engine, enginesAfter }) => [
    ...(engine === undefined ? [] : [engine]),
    ...enginesAfter,
  ]);
  return [...new Map(engines.map((engine) => [engine.replica, engine])).values()];
}

/**
 * How many steps engines can compute at the same time without taking processors from one another: for each
 * owner of processors as many as its engines' threads leave room for, but no more than it has engines, and
 * at least one.
 */
export function parallelSteps(engines: Iterable<Compute>): number {
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
