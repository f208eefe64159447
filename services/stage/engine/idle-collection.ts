import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** After the end of the last sequence, ms. */
const IDLE_MS = 1_000;

/**
 * Gives memory back while a thread rests. The caches of sequences that have ended are arrays outside the heap, which are
 * freed when they are collected; and a thread that allocates nothing more never comes to that, so that after a peak of
 * hundreds of megabytes it would hold them for ever. What a collection is worth is not asked: V8's count of what is
 * outside its heap lags behind what it has freed, and the heap of a thread that computes is small.
 */
export class IdleCollection {
  readonly #isIdle: () => boolean;
  readonly #collect: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** `isIdle`: whether nothing is open now. */
  constructor(isIdle: () => boolean, collect = collector()) {
    this.#isIdle = isIdle;
    this.#collect = collect;
  }

  /** A sequence has ended. If it was the last, and no other comes, it is time to collect. */
  ended(): void {
    clearTimeout(this.#timer);
    if (!this.#isIdle()) return;
    this.#timer = setTimeout(() => {
      if (this.#isIdle()) this.#collect();
    }, IDLE_MS).unref();
  }
}

/** V8's own, which it lends only where it is told to. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
