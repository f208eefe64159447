/** A sequence's next rows, waiting for the engine. */
export interface Work {
  readonly sequence: object;
  readonly rows: number;
}

export interface BatchLimits {
  readonly maxRows: number;
  readonly maxSequences: number;
}

/**
 * Forms the steps of iteration-level batching: whenever the engine is free it takes what is waiting, oldest
 * first, up to the limits. It never waits for a batch to fill. Pure: no clock, no I/O.
 *
 * A sequence has at most one part in a step, since its next rows read the keys and values of these.
 */
export class Scheduler<Part extends Work> {
  readonly #limits: BatchLimits;
  #waiting: Part[] = [];

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  get depth(): number {
    return this.#waiting.length;
  }

  enqueue(part: Part): void {
    this.#waiting.push(part);
  }

  /**
   * Takes the parts of the next step, which may be none. Sequences for which `mayRun` is false stay where
   * they are. A part of more rows than the limit runs alone.
   */
  next(mayRun: (part: Part) => boolean): Part[] {
    const batch: Part[] = [];
    const left: Part[] = [];
    const passed = new Set<object>();
    let rows = 0;
    for (const part of this.#waiting) {
      const fits = batch.length === 0 || rows + part.rows <= this.#limits.maxRows;
      if (fits && batch.length < this.#limits.maxSequences && !passed.has(part.sequence) && mayRun(part)) {
        batch.push(part);
        rows += part.rows;
      } else {
        left.push(part);
      }
      passed.add(part.sequence);
    }
    this.#waiting = left;
    return batch;
  }

  /** Takes out everything that waits for a sequence. */
  remove(sequence: object): Part[] {
    const removed = this.#waiting.filter((part) => part.sequence === sequence);
    if (removed.length > 0) this.#waiting = this.#waiting.filter((part) => part.sequence !== sequence);
    return removed;
  }
}
