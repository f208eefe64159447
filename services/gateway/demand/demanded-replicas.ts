import { plus, times, type Work } from './arrivals.js';
import type { TokenCosts } from './stage-cost.js';

/** Share of its time in which a replica may compute, and of its KV room that may be taken. */
const UTILISATION = 0.7;
const FILL = 0.9;
/** Within which what waits is to be worked off, seconds: a look of the autoscaler. */
const CLEAR = 15;
/** As far as a stage may grow meanwhile (k8s/base/stage/autoscaler.yaml). */
const GROWTH = 2;
/** More than any autoscaler may give. */
const MOST = 1_000;
/** What is no longer demanded is believed to come back for so long, and half of it for each further while, seconds. */
const HOLD = 30;
const HALF_LIFE = 15;

/** What one gateway has for a stage to do. */
export interface Demand {
  /** Per second. */
  readonly arriving: Work;
  readonly waiting: Work;
  /** That its sequences have, those that wait too. */
  readonly kvTokens: number;
}

/** Of one stage. */
interface StageCapacity {
  readonly costs: TokenCosts;
  readonly replicas: number;
  /** KV room of a replica, tokens; 0 where there is none to tell. */
  readonly kvTokens: number;
}

/**
 * Replicas that each stage must have for what one gateway demands; null for a stage of which nothing is known. It is a share,
 * whole or not, so that the sum over gateways is the demand for the stage; whoever scales rounds it up. The larger of two:
 *
 * - `(λ E[S] + W / 15 s) / 0.7`: of an M/G/c queue that gets `λ` requests a second of `E[S]` engine seconds each, `c > λ E[S]`
 *   servers are stable, and with a share of 0.7 busy, requests wait for about the length of one (Pollaczek and Khinchine: at
 *   `c = 1` and regular lengths `ρ / (2 (1 - ρ)) = 1.2` of it). What waits already, `W` engine seconds, comes on top. But no
 *   more comes than the other stages pass on: what they can, were they doubled, which is as far as a look of an autoscaler goes.
 * - its sequences' tokens over 0.9 of a replica's KV room.
 */
export function demandedReplicas(
  { arriving, waiting, kvTokens }: Demand,
  stages: readonly (StageCapacity | null)[],
): (number | null)[] {
  const work = plus(arriving, times(waiting, 1 / CLEAR));
  const loads = stages.map((stage) => (stage === null ? 0 : secondsOf(work, stage.costs)));
  // Which part of the work each stage would pass on; one that is at zero is about to start.
  const passed = stages.map((stage, index) =>
    stage === null || stage.replicas === 0 ? 1 : (GROWTH * stage.replicas) / loads[index]!,
  );
  return stages.map((stage, index) => {
    if (stage === null) return null;
    const reaches = Math.min(1, ...passed.toSpliced(index, 1));
    const computing = (loads[index]! * reaches) / UTILISATION;
    const holding = stage.kvTokens > 0 ? kvTokens / (stage.kvTokens * FILL) : 0;
    return Math.min(MOST, Math.max(computing, holding));
  });
}

const secondsOf = ({ prompt, output }: Work, costs: TokenCosts): number =>
  prompt * costs.prompt + output * costs.output;

/** What was last demanded that is still believed in, and when. */
export interface Peak {
  readonly replicas: number;
  readonly at: number;
}

/** What of a peak is still believed in, `now` in seconds. */
export const levelOf = ({ replicas, at }: Peak, now: number): number =>
  replicas * 2 ** (-Math.max(0, now - at - HOLD) / HALF_LIFE);

/** Up at once, and down slowly, so that waves of load cost no replica that the next one wants back. */
export const settle = (before: Peak, replicas: number, now: number): Peak =>
  replicas >= levelOf(before, now) ? { replicas, at: now } : before;
