import { createRandom } from '../../../services/lib/sampling/random.js';

/** Every kind of fault, and how often it comes: once in so many seconds, at a time drawn within them. */
const PERIODS = {
  kill: 20,
  stop: 25,
  pipeline: 15,
  vanish: 3,
  'half-close': 5,
  'slow-read': 30,
  'slow-send': 30,
  flood: 30,
  'long-word': 20,
  'bad-input': 4,
} as const;

export type FaultKind = keyof typeof PERIODS;
export const FAULT_KINDS = Object.keys(PERIODS) as FaultKind[];

export interface PlannedFault {
  /** Seconds after the load began. */
  readonly at: number;
  readonly kind: FaultKind;
  /** Of everything that is drawn while it is done: its victim, its requests, its pauses. */
  readonly seed: number;
}

/**
 * What happens when, in order: a function of the seed and the duration (seconds) alone. Every kind has random numbers
 * of its own, so a run of some kinds has just their faults of a run of all. Each comes at least once.
 */
export function planFaults(seed: number, duration: number, kinds: readonly FaultKind[]): PlannedFault[] {
  return kinds.flatMap((kind) => faultsOf(kind, seed, duration)).sort((one, other) => one.at - other.at);
}

function faultsOf(kind: FaultKind, seed: number, duration: number): PlannedFault[] {
  const random = createRandom(seed * FAULT_KINDS.length + FAULT_KINDS.indexOf(kind));
  const period = Math.min(PERIODS[kind], duration);
  return Array.from({ length: Math.floor(duration / period) }, (_, index) => ({
    at: (index + random()) * period,
    kind,
    seed: Math.floor(random() * 2 ** 32),
  }));
}
