import { RoundSums, type Phase, type Round } from '../telemetry/rounds.js';

/** The rounds of one phase in a window. */
export interface PhaseRounds extends Readonly<Omit<RoundSums, 'add' | 'merge'>> {
  /** Seconds of the window in which some were under way. */
  readonly activeSeconds: number;
}

export type Rounds = Readonly<Record<Phase, PhaseRounds>>;

/** Of a second: the rounds that ended in it, and whether others were under way. */
type Bucket = Readonly<Record<Phase, { readonly ended: RoundSums; underWay: boolean }>>;

/** The longest window, seconds. */
export const LONGEST_WINDOW = 600;

/**
 * The rounds of late, summed by second, so that a window of any length up to ten minutes costs the same little.
 * Pure: times are passed in, seconds.
 */
export class RoundLog {
  readonly #buckets = new Map<number, Bucket>();

  add(round: Round, now: number): void {
    const end = Math.floor(now);
    // A round may be longer than a second: a large model on few processors, or a prompt that is computed again.
    const start = Math.max(Math.floor(now - round.roundTrip), end - LONGEST_WINDOW);
    for (let second = start; second < end; second++) this.#bucket(second)[round.phase].underWay = true;
    this.#bucket(end)[round.phase].ended.add(round);
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
      const { ended, underWay } = this.#buckets.get(second)?.[phase] ?? NOTHING;
      sum.merge(ended);
      if (underWay || ended.rounds > 0) activeSeconds += 1;
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
    const bucket = { prefill: nothing(), decode: nothing() };
    this.#buckets.set(second, bucket);
    return bucket;
  }
}

const nothing = (): Bucket[Phase] => ({ ended: new RoundSums(), underWay: false });

const NOTHING = nothing();
