import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** After the end of the last sequence, ms. */
const IDLE_MS = 1_000;
/** What a collection has to be worth, bytes. */
const WORTH = 64 << 20;

/**
 * Gives memory back while a thread rests. The caches of sequences that have ended are arrays outside the heap, which are
 * freed when they are collected; and a thread that allocates nothing more never comes to that, so that after a peak of
 * hundreds of megabytes it would hold them for ever.
 */
export class IdleCollection {
  readonly #isIdle: () => boolean;
  readonly #collect: () => void;
  /** The least bytes outside the heap that were seen since the last collection. */
  #left = outside();
  #timer: NodeJS.Timeout | undefined;

  /** `isIdle`: whether nothing is open now. */
  constructor(isIdle: () => boolean, collect = collector()) {
    this.#isIdle = isIdle;
    this.#collect = collect;
  }

  /** A sequence has ended. If it was the last, and no other comes, it is time to collect. */
  ended(): void {
    clearTimeout(this.#timer);
    const bytes = outside();
    this.#left = Math.min(this.#left, bytes);
    if (!this.#isIdle() || bytes - this.#left < WORTH) return;
    this.#timer = setTimeout(() => {
      if (!this.#isIdle()) return;
      this.#collect();
      this.#left = outside();
    }, IDLE_MS).unref();
  }
}

const outside = (): number => getHeapStatistics().external_memory;

/** V8's own, which it lends only where it is told to. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
