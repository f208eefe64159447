import { hopSeconds, type Measured, type MeasuredStage } from './measure.js';
import type { ClosedNetwork, Machine, Station } from './queueing-model.js';

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
 * Stage 0 forms the groups, so its replicas serve whole groups, and more of them make more and smaller ones; the
 * replicas of any other stage share each group between them and work on their parts at the same time.
 */
export function networkOf(measured: Measured, changes: readonly Change[]): GroupNetwork {
  const { stages, sequences, roundRate } = measured;
  const first = stages[0]!;
  const firstGrowth = growthOf(first, changes[0]!);
  const groupsNow = Math.max(1, sequences / first.batch);
  const groupRate = roundRate / first.batch;
  const stations = stages.map((stage, index): Station & { processorTime: number } => {
    const change = changes[index]!;
    const growth = growthOf(stage, change);
    const replicas = stage.replicas.length + change.replicas;
    const parts = Math.max(1, stage.batch / (firstGrowth * (index === 0 ? 1 : growth)));
    const slower = change.work * (costOf(stage, parts) / costOf(stage, stage.batch));
    // A group of fewer sequences than replicas does not visit all of them.
    const visited = index === 0 ? 1 : Math.min(stage.replicas.length, first.batch);
    const processorTime = (stage.processorTime / groupRate) * slower * (index === 0 ? 1 : growth);
    const alone = processorTime / processorsOf(measured, stage, replicas);
    return {
      service: Math.max((stage.busy / visited / groupRate) * slower, alone),
      servers: index === 0 ? replicas : 1,
      processorTime,
    };
  });
  return {
    network: {
      groups: groupsNow * firstGrowth,
      stations,
      delay: hopSeconds(measured, 'decode'),
      machines: machinesOf(measured, stations),
    },
    groupSize: first.batch / firstGrowth,
  };
}

/** Into how many parts what a replica has in a step is divided; a single sequence is not. */
const growthOf = ({ replicas, batch }: MeasuredStage, change: Change): number =>
  Math.min((replicas.length + change.replicas) / replicas.length, Math.max(1, batch));

const costOf = ({ cost }: MeasuredStage, parts: number): number => cost.fixed + cost.perPart * parts;

/**
 * Processors that a stage's replicas have for themselves, or share with others: a further replica brings its own
 * only where each has its own already.
 */
function processorsOf({ stages }: Measured, stage: MeasuredStage, replicas: number): number {
  const mine = new Map(stage.replicas.map(({ processors }) => [processors.owner, processors.count]));
  const total = [...mine.values()].reduce((sum, count) => sum + count, 0);
  const shared = stages.some(
    (other) => other !== stage && other.replicas.some(({ processors }) => mine.has(processors.owner)),
  );
  return shared ? total : (total / stage.replicas.length) * replicas;
}

/** Those that more than one stage computes on; a stage's own are a bound of its station already. */
function machinesOf(
  { stages }: Measured,
  stations: readonly { readonly processorTime: number }[],
): Machine[] {
  const machines = new Map<string, { demand: number; processors: number; stages: Set<number> }>();
  for (const [index, { replicas }] of stages.entries()) {
    for (const { processors } of replicas) {
      const { owner, count } = processors;
      const machine = machines.get(owner) ?? { demand: 0, processors: count, stages: new Set<number>() };
      machine.demand += stations[index]!.processorTime / replicas.length;
      machine.stages.add(index);
      machines.set(owner, machine);
    }
  }
  return [...machines.values()].filter(({ stages: those }) => those.size > 1);
}
