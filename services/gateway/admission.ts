import { ServingError } from '../lib/errors/serving-error.js';

export interface AdmissionLimits {
  /** Sequences that run at once. */
  readonly maxRunning: number;
  /** Sequences that wait for their turn; more are refused. */
  readonly maxWaiting: number;
}

/** The right to run some sequences, until released. */
export interface Permit {
  /** Only the first call counts. */
  release(): void;
}

interface Waiter {
  readonly count: number;
  readonly priority: number;
  admit(): void;
}

/** How much the newest duration moves the running mean that `Retry-After` is estimated from. */
const SMOOTHING = 0.2;
/** OpenAI's client takes no longer advice than a minute. */
const MAX_RETRY_AFTER_SECONDS = 60;

/**
 * Lets a bounded number of sequences run, and a bounded number wait, by their priority and, of equal ones, first come
 * first served: the first in the queue is overtaken by a more urgent one only, so a request for many sequences gets its turn.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #now: () => number;
  readonly #queue: Waiter[] = [];
  #running = 0;
  #meanSeconds = 0;

  /** `now`: a monotonic clock, milliseconds. */
  constructor(limits: AdmissionLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#queue.reduce((sum, { count }) => sum + count, 0);
  }

  /**
   * All `count` sequences, or none. Rejects at once with `too_many_requests` when the queue is full and with
   * `invalid_value` when so many can never run, for which `param` is to blame; leaves the queue with the signal's reason. Less
   * `priority` is sooner.
   */
  async acquire(count: number, signal: AbortSignal, priority = 0, param = 'n'): Promise<Permit> {
    const { maxRunning, maxWaiting } = this.#limits;
    signal.throwIfAborted();
    if (count > maxRunning) {
      const problem = `the request asks for ${count} choices in all; this server runs at most ${maxRunning}`;
      throw new ServingError('invalid_value', problem, { param });
    }
    if (this.#queue.length > 0 || this.#running + count > maxRunning) {
      if (this.waiting + count > maxWaiting) {
        throw new ServingError(
          'too_many_requests',
          `${this.#running} sequences run and ${this.waiting} wait`,
        );
      }
      await this.#wait(count, signal, priority);
    } else {
      this.#running += count;
    }
    return this.#permit(count);
  }

  /** When a place is likely to be free, whole seconds from 1 to 60: the queue ahead, at the pace of late. */
  retryAfterSeconds(): number {
    const turns = (this.waiting + 1) / this.#limits.maxRunning;
    return Math.min(Math.max(Math.ceil(this.#meanSeconds * turns), 1), MAX_RETRY_AFTER_SECONDS);
  }

  /** Resolves with the sequences counted as running. */
  #wait(count: number, signal: AbortSignal, priority: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#queue.splice(this.#queue.indexOf(waiter), 1);
        reject(signal.reason as Error);
        this.#admitWaiting();
      };
      const waiter: Waiter = {
        count,
        priority,
        admit: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      signal.addEventListener('abort', leave, { once: true });
      const behind = this.#queue.findIndex((other) => other.priority > priority);
      this.#queue.splice(behind === -1 ? this.#queue.length : behind, 0, waiter);
      // There may be room for it that the one that was first is too large for.
      this.#admitWaiting();
    });
  }

  #admitWaiting(): void {
    for (;;) {
      const first = this.#queue[0];
      if (first === undefined || this.#running + first.count > this.#limits.maxRunning) return;
      this.#queue.shift();
      this.#running += first.count;
      first.admit();
    }
  }

  #permit(count: number): Permit {
    const start = this.#now();
    return permit(() => {
      this.#running -= count;
      this.#meanSeconds += SMOOTHING * ((this.#now() - start) / 1000 - this.#meanSeconds);
      this.#admitWaiting();
    });
  }
}

/** However often it is released, `giveBack` is called once. */
export function permit(giveBack: () => void): Permit {
  let held = true;
  return {
    release: () => {
      if (!held) return;
      held = false;
      giveBack();
    },
  };
}
