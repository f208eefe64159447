import { Groups } from './groups.js';
import type { Scheduler } from './scheduler.js';
import { promptBudget, StepCosts } from './step-costs.js';
import { phaseOf, WorkQueue, type BatchLimits, type Work } from './work-queue.js';

/** Rows that groups must have on average for one more to be let out: with fewer, products wait for the weights. */
const ROWS_OF_A_GROUP = 16;

export interface GroupingOptions<Part extends Work> {
  readonly limits: BatchLimits;
  /** Groups that can be computed at once; Infinity runs whatever waits as soon as the engine is free. */
  parallelSteps(): number;
  /** Of a step's time, what each waiting prompt may take from running sequences; 1 takes prompts whole. */
  readonly promptShare: number;
  /** Cuts a prompt's part after so many rows. */
  divide(part: Part, rows: number): readonly [Part, Part];
}

/**
 * Keeps together what runs together: were each step made of whatever happens to wait, a batch of sixteen would fall
 * apart into many that are small, and keep doing so. So no more groups are let out than there are processors to
 * compute them, or one more, and who comes back waits for the rest of its group: see docs/adr/005-batch-forming.md.
 */
export class GroupedScheduler<Part extends Work> implements Scheduler<Part> {
  readonly #options: GroupingOptions<Part>;
  readonly #queue: WorkQueue<Part>;
  readonly #groups = new Groups();
  readonly #costs = new StepCosts();

  constructor(options: GroupingOptions<Part>) {
    this.#options = options;
    this.#queue = new WorkQueue(options.limits, (part, rows) => options.divide(part, rows));
  }

  get depth(): number {
    return this.#queue.depth;
  }

  get deadline(): number | null {
    return this.depth === 0 ? null : this.#groups.deadline;
  }

  enqueue(part: Part, now: number): void {
    this.#groups.returned(part.sequence, now);
    this.#queue.enqueue(part);
  }

  next(mayRun: (part: Part) => boolean, now: number): Part[] {
    this.#groups.expire(now);
    const limit = this.#groupLimit();
    if (this.#groups.out >= limit && this.#isWorthWaiting()) return [];
    const running = this.#queue.decodes + this.#groups.away;
    return this.#queue.next(mayRun, {
      // Groups of equal size keep all processors equally busy.
      decodes: Number.isFinite(limit) ? Math.ceil(running / limit) : Infinity,
      promptRows: (decodes, prompts) => this.#promptRows(decodes, prompts),
    });
  }

  ran(parts: readonly Part[], seconds: number, alive: (part: Part) => boolean, now: number): void {
    const prompts = parts.filter(({ item }) => phaseOf(item) === 'prefill');
    const decodes = parts.length - prompts.length;
    const depth = prompts.reduce((sum, { item }) => sum + item.position, 0) / Math.max(1, prompts.length);
    this.#costs.observe({ decodes, promptRows: rowsOf(prompts), depth, seconds });
    const comingBack = parts.filter((part) => part.item.logits > 0 && alive(part));
    this.#groups.depart(
      comingBack.map(({ sequence }) => sequence),
      { decodes: decodes > 0, step: seconds, rows: rowsOf(parts) },
      now,
    );
  }

  remove(sequence: object): Part[] {
    this.#groups.ended(sequence);
    return this.#queue.remove(sequence);
  }

  /**
   * One more than can be computed at once, where they are large enough: groups travel between stages, and wait for
   * one that has more rows, and meanwhile there is work for the processors.
   */
  #groupLimit(): number {
    const computed = this.#options.parallelSteps();
    const rows = this.#groups.rows + this.#queue.decodeRows;
    return computed > 1 && rows >= (computed + 1) * ROWS_OF_A_GROUP ? computed + 1 : computed;
  }

  #promptRows(decodes: number, prompts: readonly Part[]): number {
    const { out, spared } = this.#groups;
    // Without any in this step, a group that comes back meanwhile is stalled.
    const stalled = decodes > 0 ? decodes : Math.ceil(spared / Math.max(1, out));
    return promptBudget(this.#costs, this.#options.promptShare, {
      decodes: stalled,
      prompts: prompts.length,
      depth: prompts[0]!.item.position,
    });
  }

  /** As long as nobody runs, only prompts that have been passed on are out, and further ones may follow them. */
  #isWorthWaiting(): boolean {
    return this.#groups.decodes || this.#queue.decodes > 0;
  }
}

const rowsOf = (parts: readonly Work[]): number => parts.reduce((sum, { item }) => sum + item.count, 0);
