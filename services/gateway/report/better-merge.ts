import { hopsOfRound, type Measured, type MeasuredStage } from './measure.js';
import { networkOf, SAME } from './measured-network.js';
import { predictNetwork, type Prediction } from './predict.js';

export interface MergePrediction extends Prediction {
  /** Of the two neighbours, the first. */
  readonly stage: number;
}

/**
 * A stage fewer with as many replicas: of the pairs of neighbours the one that had best become one stage, whose replicas,
 * those of both, run the layers of both. That saves a hop, and pays what is fixed in a step more often. Null of one
 * stage.
 */
export function predictMerge(measured: Measured): MergePrediction | null {
  const [best = null] = measured.stages
    .slice(1)
    .map((_, stage) => ({ stage, ...predictMerged(measured, stage) }))
    .sort((one, other) => other.gain - one.gain);
  return best;
}

function predictMerged(measured: Measured, stage: number): Prediction {
  const [one, next] = [measured.stages[stage]!, measured.stages[stage + 1]!];
  const stages = measured.stages.toSpliced(stage, 2, together(one, next));
  const changes = stages.map((_, index) =>
    index === stage ? { replicas: next.replicas.length, work: 1 } : SAME,
  );
  const { network, groupSize } = networkOf({ ...measured, stages }, changes, measured);
  // The hops of a round are measured in one sum, and this is the part of the one between the two.
  const delay = Math.max(0, network.delay - hopsOfRound(measured, 'decode')[stage + 1]!);
  return predictNetwork(measured, { network: { ...network, delay }, groupSize });
}

/** The layers of both on the replicas of the first, with its groups. */
function together(one: MeasuredStage, next: MeasuredStage): MeasuredStage {
  const stepOf = ({ cost }: MeasuredStage, parts: number): number => cost.fixed + cost.perPart * parts;
  // Where groups met on their way, what is fixed in their steps was shared.
  const work = stepOf(next, one.batch) / one.batch / (stepOf(next, next.batch) / next.batch);
  return {
    ...one,
    stepSeconds: one.stepSeconds + stepOf(next, one.batch),
    cost: {
      fixed: one.cost.fixed + next.cost.fixed,
      perPart: one.cost.perPart + next.cost.perPart,
      guessed: one.cost.guessed || next.cost.guessed,
    },
    busy: one.busy + next.busy * work,
    processorTime: one.processorTime + next.processorTime * work,
    decode: sumOf(one.decode, next.decode),
    prefill: sumOf(one.prefill, next.prefill),
  };
}

type Times = MeasuredStage['decode'];

const sumOf = (one: Times, other: Times): Times => ({
  queue: one.queue + other.queue,
  compute: one.compute + other.compute,
  rounds: one.rounds,
});
