import { randomExponential, randomGamma } from 'd3-random';
import { createRandom } from '../../../../services/lib/sampling/random.js';
import type { Arrival } from '../types.js';

/** Uniform numbers in [0, 1). */
export type Random = () => number;

/** Exponential with mean 1. */
export const exponential = (random: Random): number => randomExponential.source(random)(1)();

/** Gamma with mean 1, so with variance 1 / shape. */
export const gamma = (random: Random, shape: number): number =>
  randomGamma.source(random)(shape, 1 / shape)();

/** Arrival times of a Poisson process of `rate` per second in `[from, to)`, seconds. */
export function poisson(random: Random, rate: number, from: number, to: number): number[] {
  const times: number[] = [];
  for (let at = from + exponential(random) / rate; at < to; at += exponential(random) / rate) times.push(at);
  return times;
}

export interface PhaseOptions {
  /** Requests a second at the factor 1. */
  readonly rate: number;
  /** Seconds; each phase has an even share. */
  readonly duration: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly seed: number;
}

interface Phase {
  readonly kind: string;
  readonly factor: number;
}

/** Poisson arrivals whose rate changes at once from phase to phase. */
function phased(options: PhaseOptions, phases: readonly Phase[]): Arrival[] {
  const { rate, duration, seed, promptTokens, outputTokens } = options;
  const random = createRandom(seed);
  return phases.flatMap(({ kind, factor }, index) => {
    const [from, to] = [index, index + 1].map((each) => (each * duration) / phases.length) as [
      number,
      number,
    ];
    const times = poisson(random, rate * factor, from, to);
    return times.map((at) => ({ at, kind, promptTokens, outputTokens }));
  });
}

/** The rate stays as it is. */
export const poissonWorkload = (options: PhaseOptions): Arrival[] =>
  phased(options, [{ kind: 'request', factor: 1 }]);

export const STEP_FACTOR = 4;

/** The rate rises four-fold at once, and falls back, each for a third of the time: how fast does a system react? */
export const stepWorkload = (options: PhaseOptions): Arrival[] =>
  phased(options, [
    { kind: 'before', factor: 1 },
    { kind: 'during', factor: STEP_FACTOR },
    { kind: 'after', factor: 1 },
  ]);

/** Full waves in the duration. */
export const WAVES = 2;

/** The rate jumps up four-fold and down again, twice: does a system follow, or lag behind? */
export const squareWorkload = (options: PhaseOptions): Arrival[] =>
  phased(
    options,
    Array.from({ length: WAVES }, () => [
      { kind: 'low', factor: 1 },
      { kind: 'high', factor: STEP_FACTOR },
    ]).flat(),
  );
