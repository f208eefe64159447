import type { Rounds, Work } from './round-log.js';
import { fitStepCost, type StepCost } from './step-cost.js';
import { sumOf, type ReplicaWindow } from './totals-log.js';

/** One stage in a window, all its replicas together. Seconds. */
export interface MeasuredStage {
  readonly appId: string;
  readonly replicas: readonly ReplicaWindow[];
  /** Share of its time in which a replica's engine computed, mean of the replicas. */
  readonly utilisation: number;
  /** Sequences in a step, and what such a step takes. */
  readonly batch: number;
  readonly stepSeconds: number;
  /** Of a step, by its size. */
  readonly cost: StepCost & { readonly guessed: boolean };
  /** Of all replicas, per second of the window. */
  readonly busy: number;
  readonly processorTime: number;
  /** What the rounds waited and were computed here, mean of a round. */
  readonly decode: Work;
  readonly prefill: Work;
}

export interface Measured {
  readonly seconds: number;
  readonly rounds: Rounds;
  readonly stages: readonly MeasuredStage[];
  /** Decode rounds and tokens, per second. */
  readonly roundRate: number;
  readonly tokenRate: number;
  /** Sequences that were in a decode round, on average (Little's law). */
  readonly sequences: number;
}

/** Of stages in which nothing ran in the window, no step can be told: null. */
export function measure(
  stages: readonly string[],
  seconds: number,
  rounds: Rounds,
  totals: readonly ReplicaWindow[],
): Measured | null {
  const measured = stages.map((appId) =>
    measureStage(
      appId,
      rounds,
      totals.filter((replica) => replica.appId === appId),
    ),
  );
  const { decode } = rounds;
  if (decode.rounds === 0 || measured.some((stage) => stage === null)) return null;
  return {
    seconds,
    rounds,
    stages: measured as MeasuredStage[],
    roundRate: decode.rounds / seconds,
    tokenRate: (decode.tokens + rounds.prefill.tokens) / seconds,
    sequences: decode.roundTrip / 1000 / seconds,
  };
}

function measureStage(
  appId: string,
  rounds: Rounds,
  replicas: readonly ReplicaWindow[],
): MeasuredStage | null {
  const decode = sumOf(replicas.map((replica) => replica.decode));
  const prefill = sumOf(replicas.map((replica) => replica.prefill));
  // Under a long prompt every step may hold some of its rows.
  const typical = decode.steps > 0 ? decode : prefill;
  const uptime = decode.uptimeSeconds / Math.max(1, replicas.length);
  if (typical.steps === 0 || uptime === 0) return null;
  const busy = (decode.busySeconds + prefill.busySeconds) / uptime;
  const ever = sumOf(
    replicas.map((replica) => (decode.steps > 0 ? replica.ever.decode : replica.ever.prefill)),
  );
  return {
    appId,
    replicas,
    utilisation: busy / replicas.length,
    batch: typical.parts / typical.steps,
    stepSeconds: typical.busySeconds / typical.steps,
    cost: fitStepCost(ever, typical),
    busy,
    processorTime: decode.processorSeconds / uptime,
    decode: meanOf(rounds.decode.stages.get(appId)),
    prefill: meanOf(rounds.prefill.stages.get(appId)),
  };
}

const meanOf = ({ queue, compute, rounds }: Work = { queue: 0, compute: 0, rounds: 0 }): Work => ({
  queue: queue / 1000 / Math.max(1, rounds),
  compute: compute / 1000 / Math.max(1, rounds),
  rounds,
});

/** What of a mean round was on the way between processes, seconds. */
export function hopSeconds({ rounds, stages }: Measured, phase: 'prefill' | 'decode'): number {
  const { rounds: count, roundTrip } = rounds[phase];
  if (count === 0) return 0;
  const inStages = stages.reduce((sum, stage) => sum + stage[phase].queue + stage[phase].compute, 0);
  return Math.max(0, roundTrip / 1000 / count - inStages);
}
