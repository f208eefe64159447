import { Groups } from './groups.js';
import { promptBudget } from './prompt-budget.js';
import { Scheduler, type BatchLimits, type Work } from './scheduler.js';
import { StepCosts } from './step-costs.js';

/** Rows that groups must have on average for one more to be let out: with fewer, products wait for the weights. */
const ROWS_OF_A_GROUP = 16;

/** What the batcher looks at of a part. */
export interface Passing extends Work {
  /** Of its first row. */
  readonly position: number;
  /** The sequence comes back with the token that is sampled after this part. */
  readonly comesBack: boolean;
}

export interface BatchingOptions<Part extends Passing> {
  readonly limits: BatchLimits;
  /** Groups that can be computed at once; Infinity runs whatever waits as soon as the engine is free. */
  parallelSteps(): number;
  /** Of a step's time, what each waiting prompt may take from running sequences; 1 takes prompts whole. */
  readonly promptShare: number;
  /** Cuts a prompt's part after so many rows. */
  divide(part: Part, rows: number): readonly [Part, Part];
}

/**
 * Decides when the next step runs, and of what. Sequences that run together should stay together: were each
 * step made of whatever happens to wait, a batch of sixteen would fall apart into many that are small, and
 * keep doing so. So no more groups are let out than there are processors to compute them, or one more, and
 * who comes back waits for the rest of its group: see docs/adr/005-batch-forming.md. Pure: times are passed in,
 * seconds.
 */
export class Batcher<Part extends Passing> {
  readonly #options: BatchingOptions<Part>;
  readonly #scheduler: Scheduler<Part>;
  readonly #groups = new Groups();
  readonly #costs = new StepCosts();

  constructor(options: BatchingOptions<Part>) {
    this.#options = options;
    this.#scheduler = new Scheduler(options.limits, (part, rows) => options.divide(part, rows));
  }

  /** Parts that wait. */
  get depth(): number {
    return this.#scheduler.depth;
  }

  /** When to ask for a step again, if nothing happens before. */
  get deadline(): number | null {
    return this.depth === 0 ? null : this.#groups.deadline;
  }

  enqueue(part: Part, now: number): void {
    this.#groups.returned(part.sequence, now);
    this.#scheduler.enqueue(part);
  }

  /** The parts of the next step; none while it is better to wait, or when `mayRun` allows none. */
  next(mayRun: (part: Part) => boolean, now: number): Part[] {
    this.#groups.expire(now);
    const limit = this.#groupLimit();
    if (this.#groups.out >= limit && this.#isWorthWaiting()) return [];
    const running = this.#scheduler.decodes + this.#groups.away;
    return this.#scheduler.next(mayRun, {
      // Groups of equal size keep all processors equally busy.
      decodes: Number.isFinite(limit) ? Math.ceil(running / limit) : Infinity,
      promptRows: (decodes, prompts) => this.#promptRows(decodes, prompts),
    });
  }

  /** A step of these parts took so many seconds; what it returned has been passed on of those that are `alive`. */
  ran(parts: readonly Part[], seconds: number, alive: (part: Part) => boolean, now: number): void {
    const decodes = parts.filter(({ phase }) => phase === 'decode').length;
    const promptRows = parts.reduce((sum, part) => sum + (part.phase === 'prefill' ? part.rows : 0), 0);
    this.#costs.observe({ decodes, promptRows, depth: depthOf(parts), seconds });
    const comingBack = parts.filter((part) => part.comesBack && alive(part)).map(({ sequence }) => sequence);
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    this.#groups.depart(comingBack, { decodes: decodes > 0, step: seconds, rows }, now);
  }

  /** A sequence has ended: it will not come back. Takes out what waits for it. */
  remove(sequence: object): Part[] {
    this.#groups.ended(sequence);
    return this.#scheduler.remove(sequence);
  }

  /**
   * One more than can be computed at once, where they are large enough: groups travel between stages, and wait for
   * one that has more rows, and meanwhile there is work for the processors.
   */
  #groupLimit(): number {
    const computed = this.#options.parallelSteps();
    const rows = this.#groups.rows + this.#scheduler.decodeRows;
    return computed > 1 && rows >= (computed + 1) * ROWS_OF_A_GROUP ? computed + 1 : computed;
  }

  #promptRows(decodes: number, prompts: readonly Part[]): number {
    const { out, spared } = this.#groups;
    // Without any in this step, a group that comes back meanwhile is stalled.
    const stalled = decodes > 0 ? decodes : Math.ceil(spared / Math.max(1, out));
    const { promptShare } = this.#options;
    const { position } = prompts[0]!;
    return promptBudget(this.#costs, promptShare, {
      decodes: stalled,
      prompts: prompts.length,
      depth: position,
    });
  }

  /** As long as nobody runs, only prompts that have been passed on are out, and further ones may follow them. */
  #isWorthWaiting(): boolean {
    return this.#groups.decodes || this.#scheduler.decodes > 0;
  }
}

/** Where the prompts' rows are, on average of the parts. */
function depthOf(parts: readonly Passing[]): number {
  const prompts = parts.filter(({ phase }) => phase === 'prefill');
  return prompts.reduce((sum, { position }) => sum + position, 0) / Math.max(1, prompts.length);
}
