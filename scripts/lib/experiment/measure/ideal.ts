import type { Arrival } from '../../bench/types.js';
import type { StageBounds } from '../types.js';
import { workOf, type TokenCost } from './capacity.js';

/** Seconds over which the offered load is averaged. */
export const LOAD_WINDOW = 5;

export interface IdealPoint {
  /** Seconds since the load began. */
  readonly at: number;
  readonly replicas: number;
}

/**
 * How many replicas of a stage could just carry what is asked of it at each second: the seconds of one engine that the
 * arrivals around that moment cost, per second, rounded up. At least one, for no stage may be without; not more than
 * the budget allows. It knows no queue: an ideal system would have none.
 */
export function idealReplicas(
  arrivals: readonly Arrival[],
  cost: TokenCost,
  { min, max }: Pick<StageBounds, 'min' | 'max'>,
  duration: number,
): IdealPoint[] {
  return Array.from({ length: Math.ceil(duration) }, (_, at) => {
    const [from, to] = [Math.max(0, at - LOAD_WINDOW / 2), Math.min(duration, at + LOAD_WINDOW / 2)];
    const near = arrivals.filter((arrival) => arrival.at >= from && arrival.at < to);
    const replicas = Math.ceil(workOf(near, cost) / (to - from));
    return { at, replicas: Math.min(max, Math.max(min, 1, replicas)) };
  });
}

/** Replica-seconds too few and too many against the ideal; each point of it holds for a second. */
export function deviation(
  ideal: readonly IdealPoint[],
  readyAt: (second: number) => number,
): { readonly missing: number; readonly spare: number } {
  let [missing, spare] = [0, 0];
  for (const { at, replicas } of ideal) {
    const difference = readyAt(at) - replicas;
    if (difference < 0) missing -= difference;
    else spare += difference;
  }
  return { missing, spare };
}
