import type { Usage } from '../types.js';
import { sum } from './statistics.js';
import { percent } from '../../cli/tables.js';

/** A share of a step by which it may be late: half of all steps by the one at most, all but one of a hundred by the other. */
const LATE = { half: 0.01, most: 0.05 };
const MOST = 0.99;
/** Of the processors: above it, what waits for one is no longer the exception. */
const BUSIEST = 0.7;

/**
 * Why figures of a timed engine are void, not slow: the machine could not keep the times that it claims to. Null where
 * they stand, and for engines that compute, which are as slow as they are.
 */
export function voidReason(usages: readonly Pick<Usage, 'stages' | 'host'>[]): string | null {
  for (const { stages, host } of usages) {
    const of = (name: 'timedSteps' | 'stepsInTime' | 'stepsOnPoint'): number =>
      sum(stages.map(({ counters }) => counters[name]));
    const steps = of('timedSteps');
    if (steps === 0) continue;
    const inTime = of('stepsInTime') / steps;
    if (inTime < MOST)
      return `${percent(1 - inTime)} of the steps were late by more than ${percent(LATE.most)} of a step`;
    const onPoint = of('stepsOnPoint') / steps;
    if (onPoint < 1 / 2)
      return `${percent(1 - onPoint)} of the steps were late by more than ${percent(LATE.half)} of a step`;
    if (!host) return 'nobody knows how busy the machine was';
    if (host.busy > BUSIEST)
      return `the machine was ${percent(host.busy)} busy, more than ${percent(BUSIEST)}`;
    if (host.throttled > 0) return `its processors were withheld in ${host.throttled} periods`;
  }
  return null;
}
