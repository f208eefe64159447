/** How many seconds are looked back on. */
const WINDOW = 10;

/**
 * Which share of the last seconds the engine computed. Time is counted into one-second buckets of a ring, by
 * the clock that is passed in (seconds, monotonic).
 */
export class BusyMeter {
  readonly #buckets = new Float64Array(WINDOW + 1);
  readonly #started: number;
  #newest: number;

  constructor(now: number) {
    this.#started = now;
    this.#newest = Math.floor(now);
  }

  /** Books `seconds` of computing that ended at `now`. */
  add(seconds: number, now: number): void {
    this.#advance(now);
    let end = now;
    let left = Math.min(seconds, WINDOW, now - this.#started);
    while (left > 0) {
      const second = Math.ceil(end) - 1;
      const part = Math.min(left, end - second);
      this.#buckets[second % this.#buckets.length]! += part;
      left -= part;
      end = second;
    }
  }

  /** From 0 to 1. */
  ratio(now: number): number {
    this.#advance(now);
    const span = Math.min(WINDOW, now - this.#started);
    if (span <= 0) return 0;
    const busy = this.#buckets.reduce((sum, bucket) => sum + bucket, 0);
    return Math.min(1, busy / span);
  }

  #advance(now: number): void {
    const second = Math.floor(now);
    const steps = Math.min(second - this.#newest, this.#buckets.length);
    for (let step = 1; step <= steps; step++)
      this.#buckets[(second - steps + step) % this.#buckets.length] = 0;
    if (steps > 0) this.#newest = second;
  }
}
