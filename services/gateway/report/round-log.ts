import type { Phase, Round } from '../telemetry/sequence-trace.js';

/** What replicas took, milliseconds, summed. */
export interface Work {
  readonly queue: number;
  readonly compute: number;
  /** Rounds that passed here. */
  readonly rounds: number;
}

/** The rounds of one phase in a window. Times in milliseconds, summed over all rounds. */
export interface PhaseRounds {
  readonly rounds: number;
  readonly tokens: number;
  readonly roundTrip: number;
  /** In the gateway before the first round: tokenizing, admission, the route. */
  readonly before: number;
  /** Seconds of the window in which some ended. */
  readonly activeSeconds: number;
  /** By app-id. */
  readonly stages: ReadonlyMap<string, Work>;
}

export type Rounds = Readonly<Record<Phase, PhaseRounds>>;

type Mutable<Type> = { -readonly [Field in keyof Type]: Type[Field] };

interface PhaseBucket extends Mutable<Omit<PhaseRounds, 'stages'>> {
  readonly stages: Map<string, Mutable<Work>>;
}

type Bucket = Record<Phase, PhaseBucket>;

/** The longest window, seconds. */
export const LONGEST_WINDOW = 600;

/**
 * The rounds of late, summed by second, so that a window of any length up to ten minutes costs the same little.
 * Pure: times are passed in, seconds.
 */
export class RoundLog {
  readonly #buckets = new Map<number, Bucket>();

  add(round: Round, now: number): void {
    const phase = this.#bucket(Math.floor(now))[round.phase];
    phase.rounds += 1;
    phase.tokens += round.tokens;
    phase.roundTrip += round.roundTrip;
    phase.before += round.before;
    phase.activeSeconds = 1;
    for (const [stage, times] of round.path.entries()) {
      const hop = round.route[stage];
      if (hop === undefined) continue;
      add(phase.stages, hop.appId, { ...times, rounds: 1 });
    }
  }

  /** Of the last so many whole seconds before now. */
  window(seconds: number, now: number): Rounds {
    const sum = newBucket();
    const end = Math.floor(now);
    for (let second = end - seconds; second < end; second++) {
      const bucket = this.#buckets.get(second);
      if (bucket === undefined) continue;
      for (const name of ['prefill', 'decode'] as const) addPhase(sum[name], bucket[name]);
    }
    return sum;
  }

  #bucket(second: number): Bucket {
    const found = this.#buckets.get(second);
    if (found !== undefined) return found;
    for (const old of this.#buckets.keys()) {
      if (old >= second - LONGEST_WINDOW) break;
      this.#buckets.delete(old);
    }
    const bucket = newBucket();
    this.#buckets.set(second, bucket);
    return bucket;
  }
}

const newPhase = (): PhaseBucket => ({
  rounds: 0,
  tokens: 0,
  roundTrip: 0,
  before: 0,
  activeSeconds: 0,
  stages: new Map(),
});

const newBucket = (): Bucket => ({ prefill: newPhase(), decode: newPhase() });

function addPhase(sum: PhaseBucket, phase: PhaseBucket): void {
  sum.rounds += phase.rounds;
  sum.tokens += phase.tokens;
  sum.roundTrip += phase.roundTrip;
  sum.before += phase.before;
  sum.activeSeconds += phase.activeSeconds;
  for (const [name, work] of phase.stages) add(sum.stages, name, work);
}

function add(works: Map<string, Mutable<Work>>, name: string, { queue, compute, rounds }: Work): void {
  const work = works.get(name);
  if (work === undefined) {
    works.set(name, { queue, compute, rounds });
    return;
  }
  work.queue += queue;
  work.compute += compute;
  work.rounds += rounds;
}
