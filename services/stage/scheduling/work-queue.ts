import type { DraftedItem, StepItem } from '../../lib/model/step.js';

/** A sequence's next rows, waiting for the engine: what scheduling looks at of them. */
export interface Work {
  readonly sequence: object;
  readonly item: Pick<DraftedItem, 'position' | 'count' | 'logits' | 'score'>;
}

export type Phase = 'prefill' | 'decode';

/** A piece of a prompt, which may be divided, or a running sequence's next rows, drafted ones too, which may not. */
export const phaseOf = ({ count, logits }: Pick<StepItem, 'count' | 'logits'>): Phase =>
  logits < count ? 'prefill' : 'decode';

export interface BatchLimits {
  readonly maxRows: number;
  readonly maxSequences: number;
}

/** What the moment allows in a step, beside the limits. */
export interface Allowance<Part> {
  /** Running sequences. */
  readonly decodes: number;
  /** Rows of prompts, beside so many running sequences, when these prompts wait, oldest first; 0 for none. */
  promptRows(decodes: number, prompts: readonly Part[]): number;
}

const UNLIMITED: Allowance<unknown> = { decodes: Infinity, promptRows: () => Infinity };

/** Fewer rows than this cost almost as much as so many, so a prompt is not cut smaller. */
export const SMALLEST_PIECE = 16;

/**
 * Forms the steps of iteration-level batching out of what is waiting: all running sequences, oldest first, then prompts, of
 * which the oldest gets on in every step and short ones overtake long ones. A prompt that does not fit is divided: its
 * rest stays where it waited. Pure: no clock, no I/O.
 *
 * A sequence has at most one part in a step, since its next rows read the keys and values of these. Unless it
 * is a prompt and none is allowed, the oldest part is in every step, so that none waits for ever.
 */
export class WorkQueue<Part extends Work> {
  readonly #limits: BatchLimits;
  readonly #divide: (part: Part, rows: number) => readonly [Part, Part];
  #waiting: Part[] = [];

  /** `divide` cuts a part after so many rows. */
  constructor(limits: BatchLimits, divide: (part: Part, rows: number) => readonly [Part, Part]) {
    this.#limits = limits;
    this.#divide = divide;
  }

  /** Parts that wait. */
  get depth(): number {
    return this.#waiting.length;
  }

  /** Oldest first. */
  get waiting(): readonly Part[] {
    return this.#waiting;
  }

  /** It waits behind all that wait already. */
  enqueue(part: Part): void {
    this.#waiting.push(part);
  }

  /**
   * Takes the parts of the next step, running sequences first; there may be none. Sequences for which
   * `mayRun` is false stay where they are. Rows that cannot be divided and pass the limit run alone.
   */
  next(mayRun: (part: Part) => boolean, allowance: Allowance<Part> = UNLIMITED): Part[] {
    const ready = firstOfEach(this.#waiting).filter(mayRun);
    const prompts = ready.filter((part) => !isDecode(part));
    const reserved = ready[0] === prompts[0] ? (prompts[0] ?? null) : null;
    const batch = this.#runningOnes(ready, reserved, allowance.decodes);
    const budget = prompts.length === 0 ? 0 : allowance.promptRows(batch.length, prompts);
    const rests = this.#addPrompts(batch, prompts, budget);
    const taken = new Set<object>(batch.map(({ sequence }) => sequence));
    this.#waiting = this.#waiting.flatMap((part) => {
      // Of a sequence that is taken, its first part is gone, or its rest.
      if (!taken.delete(part.sequence)) return [part];
      return rests.get(part.sequence) ?? [];
    });
    return batch;
  }

  /** Takes out everything that waits for a sequence. */
  remove(sequence: object): Part[] {
    const removed = this.#waiting.filter((part) => part.sequence === sequence);
    if (removed.length > 0) this.#waiting = this.#waiting.filter((part) => part.sequence !== sequence);
    return removed;
  }

  /** Leaves room for the prompt that is the oldest of all, if there is one. */
  #runningOnes(ready: readonly Part[], reserved: Part | null, most: number): Part[] {
    const { maxRows, maxSequences } = this.#limits;
    const sequencesLeft = Math.min(most, maxSequences - (reserved === null ? 0 : 1));
    const rowsLeft = maxRows - (reserved === null ? 0 : Math.min(reserved.item.count, SMALLEST_PIECE));
    const batch: Part[] = [];
    let rows = 0;
    for (const part of ready) {
      if (batch.length >= sequencesLeft) break;
      const { count } = part.item;
      const fits = rows + count <= rowsLeft || (batch.length === 0 && reserved === null);
      if (!isDecode(part) || !fits) continue;
      batch.push(part);
      rows += count;
    }
    return batch;
  }

  /** Each as much as it has a share of; returns the rests of those that are divided. */
  #addPrompts(batch: Part[], prompts: readonly Part[], budget: number): Map<object, Part> {
    const rests = new Map<object, Part>();
    const room = this.#limits.maxRows - batch.reduce((sum, { item }) => sum + item.count, 0);
    const inTurn = turnsOf(prompts).slice(0, this.#limits.maxSequences - batch.length);
    const shares = shareOut(inTurn, Math.min(room, budget), room);
    for (const [index, part] of inTurn.entries()) {
      const rows = shares[index]!;
      if (rows === 0) continue;
      if (rows === part.item.count) {
        batch.push(part);
        continue;
      }
      const [piece, rest] = this.#divide(part, rows);
      batch.push(piece);
      rests.set(part.sequence, rest);
    }
    return rests;
  }
}

/** The oldest prompt first, then those that end with this part, the shortest first, then the others, oldest first. */
function turnsOf<Part extends Work>(prompts: readonly Part[]): Part[] {
  const [oldest, ...others] = prompts;
  if (oldest === undefined) return [];
  const inTurn = [
    oldest,
    ...shortestFirst(others.filter(isLastPart)),
    ...others.filter((part) => !isLastPart(part)),
  ];
  // The logits of a row are as long as the vocabulary: those of one prompt are enough at once.
  const scored = inTurn.find(isScored);
  return inTurn.filter((part) => part === scored || !isScored(part));
}

/**
 * How many of `rows` each prompt gets. The oldest has an even share at least, so that it gets on whoever comes. Those that
 * are about to end have all that they need, the shortest first: a short one waits for no long ones, and of equals each has its
 * token as soon as its own rows are computed, where all would have it with the last one's if they got on by shares. What
 * is left goes to each in turn. Up to `room`, a tail of the oldest that would be less than a piece goes along.
 */
function shareOut(inTurn: readonly Work[], rows: number, room: number): number[] {
  const [oldest] = inTurn;
  if (oldest === undefined || rows <= 0) return inTurn.map(() => 0);
  let left = rows;
  const shares = new Map<Work, number>(inTurn.map((part) => [part, 0]));
  const raise = (part: Work, by: number): void => {
    const before = shares.get(part)!;
    const { count } = part.item;
    const fits = count < before + by + SMALLEST_PIECE && count <= before + left;
    const share = fits ? count : Math.min(count, before + by);
    // Only of the oldest is anything better than nothing.
    if (part !== oldest && share < Math.min(count, SMALLEST_PIECE)) return;
    left -= share - before;
    shares.set(part, share);
  };
  raise(oldest, Math.min(left, Math.max(SMALLEST_PIECE, Math.floor(rows / inTurn.length))));
  for (const part of shortestFirst(inTurn.filter(isLastPart))) raise(part, left);
  for (const part of inTurn) raise(part, left);
  const tail = oldest.item.count - shares.get(oldest)!;
  const free = room - rows + left;
  if (tail < SMALLEST_PIECE && tail <= free) shares.set(oldest, oldest.item.count);
  return inTurn.map((part) => shares.get(part)!);
}

/** Of equal ones the one that was first. */
const shortestFirst = <Part extends Work>(parts: readonly Part[]): Part[] =>
  [...parts].sort((one, other) => one.item.count - other.item.count);

const isScored = ({ item: { score = 0 } }: Work): boolean => score > 0;

/** A token follows it. */
export const isLastPart = ({ item }: Work): boolean => item.logits > 0;

/** Whether it is a running sequence's next rows, and no piece of a prompt. */
export const isDecode = ({ item }: Work): boolean => phaseOf(item) === 'decode';

function firstOfEach<Part extends Work>(parts: readonly Part[]): Part[] {
  const seen = new Set<object>();
  return parts.filter(({ sequence }) => !seen.has(sequence) && seen.add(sequence));
}
