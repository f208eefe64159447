import { hopSeconds, type Measured, type MeasuredStage } from './measure.js';
import type { ClosedNetwork, Machine } from './queueing-model.js';

/** What of a stage changes: how many replicas it has, and how much work, by factors of 1. */
export interface Change {
  readonly replicas: number;
  readonly work: number;
}

/** Groups that go round, and how many sequences are in each. */
export interface GroupNetwork {
  readonly network: ClosedNetwork;
  readonly groupSize: number;
}

export const SAME: Change = { replicas: 0, work: 1 };

/**
 * A group goes through one replica of each stage, and so many go round as keep the replicas busy. `present`: in which as many
 * went round as did, where `measured` has other stages.
 */
export function networkOf(
  measured: Measured,
  changes: readonly Change[],
  present: Measured = measured,
): GroupNetwork {
  const { stages, sequences, roundRate } = measured;
  const { batch } = stages[0]!;
  const groupRate = roundRate / batch;
  const after = stages.map((stage, index) => {
    const { replicas, work } = changes[index]!;
    return { work: stage.busy * work, servers: stage.replicas.length + replicas };
  });
  const filled = after.map((station, index) =>
    hasOwnProcessors(measured, stages[index]!)
      ? station
      : { ...station, servers: stages[index]!.replicas.length },
  );
  const groups = Math.max(1, sequences / batch);
  const growth = busyAtMost(filled) / busyAtMost(present.stages.map(stationOf));
  // Each replica of stage 0 forms its own, and a sequence is not divided.
  const then = Math.min(
    Math.max(groups, sequences),
    Math.max(groups * Math.max(1, growth), after[0]!.servers),
  );
  const smaller = groups / then;
  const stations = stages.map((stage, index) => {
    const shorter = costOf(stage, Math.max(1, stage.batch * smaller)) / costOf(stage, stage.batch);
    return {
      service: (after[index]!.work / groupRate) * shorter,
      servers: after[index]!.servers,
      processorTime: (stage.processorTime / groupRate) * changes[index]!.work * shorter,
    };
  });
  return {
    network: {
      groups: then,
      stations,
      delay: hopSeconds(measured, 'decode'),
      machines: machinesOf(measured, stations),
    },
    groupSize: batch * smaller,
  };
}

interface Busy {
  /** Of all groups together. */
  readonly work: number;
  readonly servers: number;
}

const stationOf = ({ busy, replicas }: MeasuredStage): Busy => ({ work: busy, servers: replicas.length });

/**
 * Replicas that compute at the same time, on average, when enough groups go round to keep the busiest stage busy: more groups
 * only wait for it. As `stage/scheduling` lets them out.
 */
function busyAtMost(stations: readonly Busy[]): number {
  const slowest = Math.max(...stations.map(({ work, servers }) => work / servers));
  return stations.reduce((sum, { work }) => sum + work, 0) / slowest;
}

const costOf = ({ cost }: MeasuredStage, parts: number): number => cost.fixed + cost.perPart * parts;

/** Whether a further replica of a stage keeps one more group busy: where each that is there has processors of its own. */
function hasOwnProcessors({ stages }: Measured, stage: MeasuredStage): boolean {
  const owners = stages.flatMap(({ replicas }) => replicas.map(({ processors }) => processors.owner));
  return stage.replicas.every(
    ({ processors: { owner } }) => owners.filter((each) => each === owner).length === 1,
  );
}

/** Those that more than one replica computes on; a replica's own are a bound of its station already. */
function machinesOf(
  { stages }: Measured,
  stations: readonly { readonly processorTime: number }[],
): Machine[] {
  const machines = new Map<string, { demand: number; processors: number; replicas: number }>();
  for (const [index, { replicas }] of stages.entries()) {
    for (const { processors } of replicas) {
      const { owner, count } = processors;
      const machine = machines.get(owner) ?? { demand: 0, processors: count, replicas: 0 };
      machine.demand += stations[index]!.processorTime / replicas.length;
      machine.replicas++;
      machines.set(owner, machine);
    }
  }
  return [...machines.values()].filter(({ replicas }) => replicas > 1);
}
