import { createRandom } from '../../../../services/lib/sampling/random.js';
import type { Arrival } from '../types.js';
import { poisson } from './poisson.js';

export const STEP_FACTOR = 4;

export interface StepOptions {
  /** Requests a second before and after the step. */
  readonly rate: number;
  /** Seconds; a third each before, during and after. */
  readonly duration: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly seed: number;
}

/** Poisson arrivals whose rate rises four-fold at once, and falls back: how fast does a system react? */
export function stepWorkload({ rate, duration, seed, promptTokens, outputTokens }: StepOptions): Arrival[] {
  const random = createRandom(seed);
  const phases = [
    { kind: 'before', factor: 1 },
    { kind: 'during', factor: STEP_FACTOR },
    { kind: 'after', factor: 1 },
  ];
  return phases.flatMap(({ kind, factor }, index) =>
    poisson(random, rate * factor, (index * duration) / 3, ((index + 1) * duration) / 3).map((at) => ({
      at,
      kind,
      promptTokens,
      outputTokens,
    })),
  );
}
