/**
 * What may be taken in a minute. It comes back evenly, so a full bucket may be emptied at once and is full again a minute
 * later. More may be taken than there is: that is owed, and nothing can be had until it has come back.
 */
export class Bucket {
  readonly #now: () => number;
  #perMinute: number;
  #level: number;
  /** When the level was that. */
  #at: number;

  /** `now`: a monotonic clock, milliseconds. */
  constructor(perMinute: number, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#perMinute = perMinute;
    this.#level = perMinute;
    this.#at = now();
  }

  /** How much it holds at most. */
  get perMinute(): number {
    return this.#perMinute;
  }

  /** What is left; below 0 where some is owed. */
  get level(): number {
    const now = this.#now();
    const came = ((now - this.#at) / 60_000) * this.#perMinute;
    this.#level = Math.min(this.#level + came, this.#perMinute);
    this.#at = now;
    return this.#level;
  }

  /** Takes so much, whether it is there or not; below 0 gives it back. */
  take(amount: number): void {
    this.#level = Math.min(this.level - amount, this.#perMinute);
  }

  /** Holds another amount from now on; what has been taken stays taken. */
  resize(perMinute: number): void {
    const taken = this.#perMinute - this.level;
    this.#perMinute = perMinute;
    this.#level = perMinute - taken;
  }

  /** Seconds until so much is there: 0 where it is, infinite where it never will be. */
  secondsUntil(amount: number): number {
    if (amount > this.#perMinute) return Infinity;
    return Math.max(0, ((amount - this.level) / this.#perMinute) * 60);
  }
}
