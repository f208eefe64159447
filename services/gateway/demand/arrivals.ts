/** Requests, and the tokens that they bring: of prompts, and of answers as far as they can be foreseen. */
export interface Work {
  readonly requests: number;
  readonly prompt: number;
  readonly output: number;
}

export const NO_WORK: Work = { requests: 0, prompt: 0, output: 0 };

export const plus = (a: Work, b: Work): Work => ({
  requests: a.requests + b.requests,
  prompt: a.prompt + b.prompt,
  output: a.output + b.output,
});

export const times = ({ requests, prompt, output }: Work, factor: number): Work => ({
  requests: requests * factor,
  prompt: prompt * factor,
  output: output * factor,
});

const most = (works: readonly Work[]): Work => ({
  requests: Math.max(...works.map(({ requests }) => requests)),
  prompt: Math.max(...works.map(({ prompt }) => prompt)),
  output: Math.max(...works.map(({ output }) => output)),
});

/** Work that came within it is one number, seconds. */
const BUCKET = 0.5;
/** Over which a rate is a plain mean, and over which only what is certain of it counts, seconds. */
const LONG = 30;
const SHORT = [2, 5, 10] as const;
/** Deviations of a count of random arrivals, whose variance is the count, that it must stand out by. */
const DEVIATIONS = 2;
/** A trend is seen in four windows of so many seconds, and goes on for as long as a replica takes to come. */
const STRIDE = 4;
const HORIZON = 15;
const MOST_GROWTH = 2;

/**
 * How fast work comes, so that a step in load shows within two seconds and chance does not. Pure; times are of a
 * monotonic clock, seconds.
 */
export class Arrivals {
  readonly #buckets = new Map<number, Work>();

  add(work: Work, now: number): void {
    const key = Math.floor(now / BUCKET);
    const found = this.#buckets.get(key);
    this.#buckets.set(key, found === undefined ? work : plus(found, work));
    if (found !== undefined) return;
    for (const old of this.#buckets.keys()) if (old < key - LONG / BUCKET) this.#buckets.delete(old);
  }

  /**
   * Work per second: the mean of half a minute, or more where a shorter window shows more beyond chance: of `n` requests in `w`
   * seconds, `(n - 2 sqrt n) / w`, for the deviation of a Poisson count is its root. What came in the fullest half second does
   * not count there, for a burst, such as clients that begin together, is no rate. One that keeps rising is taken to where it
   * will be when a new replica has come.
   */
  rate(now: number): Work {
    const shorter = SHORT.map((seconds) => {
      const { work, fullest, length } = this.#window(now, 0, seconds);
      const steady = plus(work, times(fullest, -1));
      const certain = Math.max(0, 1 - DEVIATIONS / Math.sqrt(Math.max(1, steady.requests)));
      return times(steady, certain / (length - BUCKET));
    });
    const { work, length } = this.#window(now, 0, LONG);
    return times(most([times(work, 1 / length), ...shorter]), this.#growth(now));
  }

  /** Work per second, of the last two. */
  mean(now: number): Work {
    const { work, length } = this.#window(now, 0, SHORT[0]);
    return times(work, 1 / length);
  }

  /**
   * The factor by which a ramp goes on. A step lies in one window and shows in at most two of three differences between
   * four, so only what all three have in common is a trend.
   */
  #growth(now: number): number {
    const counts = [0, 1, 2, 3].map(
      (back) => this.#window(now, back * STRIDE, (back + 1) * STRIDE).work.requests,
    );
    const [newest, second, third, oldest] = counts as [number, number, number, number];
    const rise = Math.min(newest - second, second - third, third - oldest);
    const isChance = newest - oldest <= DEVIATIONS * Math.sqrt(newest + oldest);
    if (rise <= 0 || isChance) return 1;
    return Math.min(MOST_GROWTH, 1 + (rise / newest) * (HORIZON / STRIDE));
  }

  /** What came from so many seconds ago to so many, in whole buckets but for the one that is now. */
  #window(now: number, from: number, to: number): { work: Work; fullest: Work; length: number } {
    const last = Math.floor((now - from) / BUCKET);
    const first = Math.floor((now - to) / BUCKET) + 1;
    let work = NO_WORK;
    let fullest = NO_WORK;
    for (const [key, each] of this.#buckets) {
      if (key < first || key > last) continue;
      work = plus(work, each);
      if (each.requests > fullest.requests) fullest = each;
    }
    return { work, fullest, length: now - from - first * BUCKET };
  }
}
