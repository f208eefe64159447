import { RoundSums, type Phase, type Round } from '../telemetry/rounds.js';

/** The rounds of one phase in a window. */
export interface PhaseRounds extends Readonly<Omit<RoundSums, 'add' | 'merge'>> {
  /** Seconds of the window in which some ended. */
  readonly activeSeconds: number;
}

export type Rounds = Readonly<Record<Phase, PhaseRounds>>;

type Bucket = Readonly<Record<Phase, RoundSums>>;

/** The longest window, seconds. */
export const LONGEST_WINDOW = 600;

/**
 * The rounds of late, summed by second, so that a window of any length up to ten minutes costs the same little.
 * Pure: times are passed in, seconds.
 */
export class RoundLog {
  readonly #buckets = new Map<number, Bucket>();

  add(round: Round, now: number): void {
    this.#bucket(Math.floor(now))[round.phase].add(round);
  }

  /** Of the last so many whole seconds before now. */
  window(seconds: number, now: number): Rounds {
    return { prefill: this.#sum('prefill', seconds, now), decode: this.#sum('decode', seconds, now) };
  }

  #sum(phase: Phase, seconds: number, now: number): PhaseRounds {
    const sum = new RoundSums();
    let activeSeconds = 0;
    const end = Math.floor(now);
    for (let second = end - seconds; second < end; second++) {
      const rounds = this.#buckets.get(second)?.[phase];
      if (rounds === undefined || rounds.rounds === 0) continue;
      sum.merge(rounds);
      activeSeconds += 1;
    }
    return Object.assign(sum, { activeSeconds });
  }

  #bucket(second: number): Bucket {
    const found = this.#buckets.get(second);
    if (found !== undefined) return found;
    for (const old of this.#buckets.keys()) {
      if (old >= second - LONGEST_WINDOW) break;
      this.#buckets.delete(old);
    }
    const bucket = { prefill: new RoundSums(), decode: new RoundSums() };
    this.#buckets.set(second, bucket);
    return bucket;
  }
}
