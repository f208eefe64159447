import { ServingError } from '../../lib/errors/serving-error.js';
import type { Work } from '../telemetry/rounds.js';
import type { Rounds } from './round-log.js';
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
  /** Sequences that were in a decode round, on average of the seconds that had any (Little's law). */
  readonly sequences: number;
}

/**
 * Puts together what the gateway and the stages saw. `rounds` must hold some of decoding; throws `nothing_measured`
 * with the stage that has not told of a step.
 */
export function measure(
  stages: readonly string[],
  seconds: number,
  rounds: Rounds,
  totals: readonly ReplicaWindow[],
): Measured {
  const { decode, prefill } = rounds;
  return {
    seconds,
    rounds,
    stages: stages.map((appId) =>
      measureStage(
        appId,
        rounds,
        totals.filter((replica) => replica.appId === appId),
      ),
    ),
    roundRate: decode.rounds / seconds,
    tokenRate: (decode.tokens + prefill.tokens) / seconds,
    sequences: decode.roundTrip / Math.max(1, decode.activeSeconds),
  };
}

function measureStage(appId: string, rounds: Rounds, replicas: readonly ReplicaWindow[]): MeasuredStage {
  const decode = sumOf(replicas.map((replica) => replica.decode));
  const prefill = sumOf(replicas.map((replica) => replica.prefill));
  // Under a long prompt every step may hold some of its rows.
  const typical = decode.steps > 0 ? decode : prefill;
  if (typical.steps === 0 || decode.uptimeSeconds === 0) {
    throw new ServingError('nothing_measured', `${appId} has not told of a step yet`);
  }
  const uptime = decode.uptimeSeconds / replicas.length;
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
  queue: queue / Math.max(1, rounds),
  compute: compute / Math.max(1, rounds),
  rounds,
});

/** What of a mean round was on the way between processes, seconds. */
export function hopSeconds({ rounds, stages }: Measured, phase: 'prefill' | 'decode'): number {
  const { rounds: count, roundTrip } = rounds[phase];
  if (count === 0) return 0;
  const inStages = stages.reduce((sum, stage) => sum + stage[phase].queue + stage[phase].compute, 0);
  return Math.max(0, roundTrip / count - inStages);
}

/**
 * The hops of a round one by one: into each stage, and from the head to the gateway. Only their sum is measured
 * (no interval is taken between two clocks); it is divided in proportion to the links' own round trips.
 */
export function hopsOfRound(measured: Measured, phase: 'prefill' | 'decode'): number[] {
  const { stages } = measured;
  const mean = ({ replicas }: MeasuredStage, of: (hops: ReplicaWindow['hops']) => number): number =>
    replicas.reduce((sum, { hops }) => sum + of(hops), 0) / replicas.length;
  const idle = [
    mean(stages[0]!, ({ fromGateway }) => fromGateway),
    ...stages.slice(0, -1).map((stage) => mean(stage, ({ toNext }) => toNext)),
    mean(stages.at(-1)!, ({ fromGateway }) => fromGateway),
  ];
  const whole = idle.reduce((sum, each) => sum + each, 0);
  const total = hopSeconds(measured, phase);
  return idle.map((each) => total * (whole === 0 ? 1 / idle.length : each / whole));
}
