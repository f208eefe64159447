import { Groups } from './groups.js';
import { lanesOf, type Lane } from './lanes.js';
import type { Scheduler } from './scheduler.js';
import { promptBudget, StepCosts } from './step-costs.js';
import {
  isDecode,
  isLastPart,
  SMALLEST_PIECE,
  WorkQueue,
  type BatchLimits,
  type Work,
} from './work-queue.js';

/** Rows that groups must have on average for one more to be let out: with fewer, products wait for the weights. */
const ROWS_OF_A_GROUP = 16;
/** Rows of all groups up to which one of them, with all processors to itself, is faster than several with a part each. */
const ROWS_ALONE = 8;
/** Of a mean step. Where more of it is fixed, one more group costs more than it fills of what others leave idle. */
const MOSTLY_FIXED = 2 / 3;
/** Of a group: so far numbers that were measured may be off before they make one group more, or less. */
const TOLERANCE = 1 / 4;

/** Of prompts with more parts to come so many count at most: to have more of a step brings none of them a token now. */
const LONG_PROMPTS = 2;
/**
 * A short one that ends counts as so many at least. A row of a small piece costs half as much again as one of 64 rows, and
 * a few longer steps stall those who run less than many that are a little longer.
 */
const ENDING_PROMPTS = 4;
/** Rows of a short prompt. The last ones of a longer prompt cost the more, and it has stalled all others long enough. */
const SHORT_PROMPT = 256;

export interface GroupingOptions<Part extends Work> {
  readonly limits: BatchLimits;
  /** Groups that may be out without waiting for one another, on average; Infinity runs whatever waits as soon as the engine is free. */
  groupsAtOnce(): number;
  /** Whether a step that nothing else is computed beside has processors that it would else leave to others. */
  gainsAlone(): boolean;
  /** Of a step's time, what each waiting prompt may take from running sequences; 1 takes prompts whole. */
  readonly promptShare: number;
  /** Which way a part's sequence goes after this stage. */
  readonly laneOf: (part: Part) => string;
  /** Cuts a prompt's part after so many rows. */
  divide(part: Part, rows: number): readonly [Part, Part];
}

/**
 * Keeps together what runs together: were each step made of whatever happens to wait, a batch of sixteen would fall
 * apart into many that are small, and keep doing so. So no more groups are let out than there are processors to
 * compute them, or one more, and who comes back waits for the rest of its group: see docs/adr/005-batch-forming.md.
 * A group goes through one replica of each stage, for two would each compute a part of it: docs/adr/016-lanes.md.
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
    const atOnce = this.#options.groupsAtOnce();
    const [waiting, out] = [this.#queue.waiting, [...this.#groups.out]];
    for (const lane of lanesOf(waiting, out, this.#options.laneOf, Math.round(atOnce))) {
      const groups = this.#groupsOf(lane, atOnce);
      // As long as nobody runs, only prompts that have been passed on are out, and further ones may follow them.
      if (lane.out >= groups && lane.decodes) continue;
      const parts = this.#queue.next((part) => lane.has(part) && mayRun(part), {
        // Groups of equal size keep all processors equally busy.
        decodes: groups === Infinity ? Infinity : Math.ceil(lane.running / groups),
        // Without a limit there is no telling over how many groups a prompt could be shared out.
        promptRows: (decodes, prompts) =>
          this.#promptRows(decodes, prompts, groups === Infinity ? Infinity : lane.promptRows / groups),
      });
      if (parts.length > 0) return parts;
    }
    return [];
  }

  ran(parts: readonly Part[], seconds: number, alive: (part: Part) => boolean, now: number): void {
    const prompts = parts.filter((part) => !isDecode(part));
    const decodes = parts.length - prompts.length;
    const depth = prompts.reduce((sum, { item }) => sum + item.position, 0) / Math.max(1, prompts.length);
    this.#costs.observe({ decodes, promptRows: rowsOf(prompts), depth, seconds });
    const comingBack = parts.filter((part) => part.item.logits > 0 && alive(part));
    const lanes = new Set(comingBack.map((part) => this.#options.laneOf(part)));
    this.#groups.depart(
      comingBack.map(({ sequence }) => sequence),
      { lanes, decodes: decodes > 0, step: seconds, rows: rowsOf(parts) },
      now,
    );
  }

  remove(sequence: object): Part[] {
    this.#groups.ended(sequence);
    return this.#queue.remove(sequence);
  }

  /**
   * How many groups of a lane may be out: one while there are so few rows that it had better be alone, else, of those
   * that may be out at once, its part. In all one more where they
   * are large enough, for groups travel between stages, and wait for one that has more rows, and meanwhile there is work for
   * the processors; but not where most of a step is fixed, and fewer and larger groups are better.
   */
  #groupsOf({ part }: Lane<Part>, atOnce: number): number {
    if (atOnce === Infinity) return Infinity;
    const isSmall = this.#groups.awayRows + rowsOf(this.#queue.waiting) <= ROWS_ALONE;
    if (isSmall && this.#options.gainsAlone()) return 1;
    if ((this.#costs.fixedShare ?? 0) > MOSTLY_FIXED)
      return Math.max(1, Math.floor(atOnce * part + TOLERANCE));
    const rows = this.#groups.rows + rowsOf(this.#queue.waiting.filter(isDecode));
    const more = atOnce > 1 && rows >= (atOnce + 1) * ROWS_OF_A_GROUP ? 1 : 0;
    return Math.max(1, Math.floor((atOnce + more) * part + 1 - TOLERANCE));
  }

  /** No more than `even`, those of each group if all take as many: else groups wait for one whose step is long. */
  #promptRows(decodes: number, prompts: readonly Part[], even: number): number {
    const { out, spared, beginning } = this.#groups;
    const ofAGroup = (sequences: number): number => Math.ceil(sequences / Math.max(1, out.size));
    // One that comes back with its first token is stalled too: those whose prompts were first would wait for all others'.
    const first = this.#costs.decode(ofAGroup(beginning)) === null ? 0 : ofAGroup(beginning);
    // Without any in this step, a group that comes back meanwhile is stalled.
    const stalled = decodes || ofAGroup(spared) || first;
    const ending = prompts.filter(isLastPart).length;
    const counting = ending + Math.min(prompts.length - ending, LONG_PROMPTS);
    const budget = promptBudget(this.#costs, this.#options.promptShare, {
      decodes: stalled,
      prompts: prompts.some(endsShort) ? Math.max(ENDING_PROMPTS, counting) : counting,
      depth: prompts[0]!.item.position,
    });
    if (budget === Infinity) return budget;
    // Only late ones could show what those who run cost alone, and they may never come back: no prompt waits for that.
    const least = decodes === 0 && out.size === 0 ? SMALLEST_PIECE : 0;
    return Math.max(least, Math.min(budget, Math.max(SMALLEST_PIECE, Math.ceil(even))));
  }
}

const endsShort = (part: Work): boolean =>
  isLastPart(part) && part.item.position + part.item.count <= SHORT_PROMPT;

const rowsOf = (parts: readonly Work[]): number => parts.reduce((sum, { item }) => sum + item.count, 0);
