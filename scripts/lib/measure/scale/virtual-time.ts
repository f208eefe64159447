import { createRequire, syncBuiltinESMExports } from 'node:module';
import { type Event, EventQueue } from '../event-queue.js';

interface Timer {
  ref(): Timer;
  unref(): Timer;
  hasRef(): boolean;
}

/**
 * The clock and the timers of this process, replaced by those of a simulation: what the services' own classes wait for
 * costs no time, and a minute of a thousand replicas takes as long as its computing. Time stands still while anything is
 * left to compute, then jumps to the next timer. Whatever waits for a real file or socket would never be waited for, so
 * only what stays within the process can be simulated.
 */
export class VirtualTime {
  #now = 0;
  readonly #events = new EventQueue();
  readonly #timers = new WeakMap<Timer, Event>();
  readonly #restore: () => void;

  /** From now on until `restore`. */
  constructor() {
    const promises = createRequire(import.meta.url)('node:timers/promises') as Record<string, unknown>;
    const { setTimeout, setInterval, clearTimeout, clearInterval } = globalThis;
    const [delay, now] = [promises['setTimeout'], performance.now.bind(performance)];
    const replace = (timers: object, wait: unknown, clock: () => number): void => {
      Object.assign(globalThis, timers);
      promises['setTimeout'] = wait;
      // So that who has imported it waits by it, too.
      syncBuiltinESMExports();
      performance.now = clock;
    };
    const clear = (timer: Timer | undefined): void => this.#cancel(timer);
    replace(
      {
        setTimeout: (run: () => void, ms: number) => this.#timer(run, ms, false),
        setInterval: (run: () => void, ms: number) => this.#timer(run, ms, true),
        clearTimeout: clear,
        clearInterval: clear,
      },
      (ms: number, value: unknown, options: { signal?: AbortSignal } = {}) => this.#delay(ms, value, options),
      () => this.#now,
    );
    this.#restore = () => replace({ setTimeout, setInterval, clearTimeout, clearInterval }, delay, now);
  }

  /** Milliseconds since the simulation began. */
  get now(): number {
    return this.#now;
  }

  at(ms: number, run: () => void): void {
    this.#events.push(ms, run);
  }

  /** Runs until `done`, or until this moment. */
  async until(ms: number, done: () => boolean = () => false): Promise<void> {
    for (;;) {
      // Whatever has been settled goes on first: microtasks come before the next turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
      const { next } = this.#events;
      if (done()) return;
      if (next === undefined || next.at > ms) break;
      this.#now = next.at;
      this.#events.pop();
      if (!next.cancelled) next.run();
    }
    this.#now = Math.max(this.#now, ms);
  }

  /** The clock and timers that there were. */
  restore(): void {
    this.#restore();
  }

  #timer(run: () => void, ms: number, again: boolean): Timer {
    const timer: Timer = { ref: () => timer, unref: () => timer, hasRef: () => false };
    const arm = (): void => {
      const event = this.#events.push(this.#now + Math.max(0, ms || 0), () => {
        if (again) arm();
        run();
      });
      this.#timers.set(timer, event);
    };
    arm();
    return timer;
  }

  #cancel(timer: Timer | undefined): void {
    const event = timer && this.#timers.get(timer);
    if (event) event.cancelled = true;
  }

  #delay(ms: number, value: unknown, { signal }: { signal?: AbortSignal }): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        event.cancelled = true;
        reject(signal!.reason as Error);
      };
      const event = this.#events.push(this.#now + Math.max(0, ms || 0), () => {
        signal?.removeEventListener('abort', abort);
        resolve(value);
      });
      if (signal?.aborted) abort();
      else signal?.addEventListener('abort', abort, { once: true });
    });
  }
}
