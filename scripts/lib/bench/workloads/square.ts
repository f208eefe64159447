import { createRandom } from '../../../../services/lib/sampling/random.js';
import type { Arrival } from '../types.js';
import { poisson } from './poisson.js';
import { STEP_FACTOR, type StepOptions } from './step.js';

const PHASES = [
  { kind: 'low', factor: 1 },
  { kind: 'high', factor: STEP_FACTOR },
];

/** Full waves in the duration. */
export const WAVES = 2;

/** Poisson arrivals whose rate jumps up four-fold and down again, twice: does a system follow, or lag behind? */
export function squareWorkload({ rate, duration, seed, promptTokens, outputTokens }: StepOptions): Arrival[] {
  const random = createRandom(seed);
  const half = duration / WAVES / 2;
  return Array.from({ length: WAVES * 2 }, (_, index) => index).flatMap((index) => {
    const { kind, factor } = PHASES[index % PHASES.length]!;
    return poisson(random, rate * factor, index * half, (index + 1) * half).map((at) => ({
      at,
      kind,
      promptTokens,
      outputTokens,
    }));
  });
}
