import type { SequenceSpans } from './sequence-spans.js';

/** When rows came, and how long their sequence had been computed by then. */
export interface Arrival {
  readonly at: number;
  readonly computed: number;
}

/**
 * How long one sequence has been computed in this stage, so that the rest of the time in which its rows are here is
 * known as waiting; and its spans, null where it is not traced. Pure: times are passed in, seconds.
 */
export class SequenceAccount {
  readonly spans: SequenceSpans | null;
  #computed = 0;
  #began: number | null = null;
  #ended = -Infinity;

  constructor(spans: SequenceSpans | null) {
    this.spans = spans;
  }

  /** A step with rows of the sequence begins. */
  begin(now: number): void {
    this.#began = now;
  }

  end(now: number): void {
    this.#computed += now - (this.#began ?? now);
    this.#began = null;
    this.#ended = now;
  }

  /** Seconds of computing up to now. */
  computed(now: number): number {
    return this.#computed + (this.#began === null ? 0 : now - this.#began);
  }

  /** Since when rows that arrived at `arrived` have waited for the engine and not for earlier ones of their own. */
  waitingSince(arrived: number): number {
    return Math.max(arrived, this.#ended);
  }
}
