import type { Measured } from './measure.js';
import { networkOf, SAME, type Change, type GroupNetwork } from './measured-network.js';
import { roundsPerSecond } from './queueing-model.js';

/** What a change would bring, if the same sequences went on running. */
export interface Prediction {
  readonly tokensPerSecond: number;
  /** Mean time per output token, seconds. */
  readonly timePerToken: number;
  /** Over the throughput that was measured. */
  readonly gain: number;
}

/** One replica more of a stage. */
export const predictReplica = (measured: Measured, stage: number): Prediction =>
  predict(
    measured,
    measured.stages.map((_, index) => (index === stage ? { replicas: 1, work: 1 } : SAME)),
  );

/** What some changes to the stages would bring. */
export const predict = (measured: Measured, changes: readonly Change[]): Prediction =>
  predictNetwork(measured, networkOf(measured, changes));

/** What it would bring if what was measured became another network. */
export function predictNetwork(measured: Measured, then: GroupNetwork): Prediction {
  const now = networkOf(
    measured,
    measured.stages.map(() => SAME),
  );
  // What the model gets wrong now, it gets wrong then: only its ratio is used.
  const gain =
    (roundsPerSecond(then.network) * then.groupSize) / (roundsPerSecond(now.network) * now.groupSize);
  const tokensPerRound = measured.rounds.decode.tokens / measured.rounds.decode.rounds;
  const round = measured.rounds.decode.roundTrip / measured.rounds.decode.rounds;
  return {
    tokensPerSecond: measured.tokenRate * gain,
    timePerToken: round / tokensPerRound / gain,
    gain,
  };
}
