import { WorkQueue, type BatchLimits, type Work } from './work-queue.js';

/** Decides what the next step is made of, and when it runs. Pure: times are passed in, seconds. */
export interface Scheduler<Part extends Work> {
  /** Parts that wait. */
  readonly depth: number;
  /** When to ask for a step again, if nothing happens before; null where nothing would have changed. */
  readonly deadline: number | null;
  /** A part has come, and waits from now on. */
  enqueue(part: Part, now: number): void;
  /** The parts of the next step; none while it is better to wait, or when `mayRun` allows none. */
  next(mayRun: (part: Part) => boolean, now: number): Part[];
  /** A step of these parts took so many seconds; what it returned has been passed on of those that are `alive`. */
  ran(parts: readonly Part[], seconds: number, alive: (part: Part) => boolean, now: number): void;
  /** A sequence has ended: it will not come back. Takes out what waits of it. */
  remove(sequence: object): Part[];
}

/**
 * Runs whatever waits as soon as the engine is free. For the stages after the first: batches are formed where
 * sequences begin and come back (`GroupedScheduler`), and the others take them as they come.
 */
export class PlainScheduler<Part extends Work> implements Scheduler<Part> {
  readonly deadline = null;
  readonly #queue: WorkQueue<Part>;

  /** `divide` cuts a prompt's part after so many rows. */
  constructor(limits: BatchLimits, divide: (part: Part, rows: number) => readonly [Part, Part]) {
    this.#queue = new WorkQueue(limits, divide);
  }

  get depth(): number {
    return this.#queue.depth;
  }

  enqueue(part: Part): void {
    this.#queue.enqueue(part);
  }

  next(mayRun: (part: Part) => boolean): Part[] {
    return this.#queue.next(mayRun);
  }

  ran(): void {
    // Nothing is learnt from what steps take.
  }

  remove(sequence: object): Part[] {
    return this.#queue.remove(sequence);
  }
}
