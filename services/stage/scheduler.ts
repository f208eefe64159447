/** A sequence's next rows, waiting for the engine. */
export interface Work {
  readonly sequence: object;
  readonly rows: number;
  /** A piece of a prompt, which may be divided, or a running sequence's next rows, which may not. */
  readonly phase: 'prefill' | 'decode';
}

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

export const UNLIMITED: Allowance<unknown> = { decodes: Infinity, promptRows: () => Infinity };

/** Fewer rows than this cost almost as much as so many, so a prompt is not cut smaller. */
export const SMALLEST_PIECE = 16;

/**
 * Forms the steps of iteration-level batching out of what is waiting: all running sequences, then prompts,
 * each oldest first. A prompt that does not fit is divided: its rest stays where it waited. Pure: no clock,
 * no I/O.
 *
 * A sequence has at most one part in a step, since its next rows read the keys and values of these. Unless it
 * is a prompt and none is allowed, the oldest part is in every step, so that none waits for ever.
 */
export class Scheduler<Part extends Work> {
  readonly #limits: BatchLimits;
  readonly #divide: (part: Part, rows: number) => readonly [Part, Part];
  #waiting: Part[] = [];

  /** `divide` cuts a part after so many rows. */
  constructor(limits: BatchLimits, divide: (part: Part, rows: number) => readonly [Part, Part]) {
    this.#limits = limits;
    this.#divide = divide;
  }

  get depth(): number {
    return this.#waiting.length;
  }

  /** Parts of running sequences that wait. */
  get decodes(): number {
    return this.#waiting.filter(({ phase }) => phase === 'decode').length;
  }

  /** Rows of running sequences that wait, with their drafts. */
  get decodeRows(): number {
    return this.#waiting.reduce((sum, { phase, rows }) => sum + (phase === 'decode' ? rows : 0), 0);
  }

  enqueue(part: Part): void {
    this.#waiting.push(part);
  }

  /**
   * Takes the parts of the next step, running sequences first; there may be none. Sequences for which
   * `mayRun` is false stay where they are. Rows that can not be divided and pass the limit run alone.
   */
  next(mayRun: (part: Part) => boolean, allowance: Allowance<Part> = UNLIMITED): Part[] {
    const ready = firstOfEach(this.#waiting).filter(mayRun);
    const prompts = ready.filter(({ phase }) => phase === 'prefill');
    const reserved = ready[0]?.phase === 'prefill' ? ready[0] : null;
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
    const maxSequences = Math.min(most, this.#limits.maxSequences - (reserved === null ? 0 : 1));
    const maxRows = this.#limits.maxRows - (reserved === null ? 0 : Math.min(reserved.rows, SMALLEST_PIECE));
    const batch: Part[] = [];
    let rows = 0;
    for (const part of ready) {
      if (batch.length >= maxSequences) break;
      const fits = rows + part.rows <= maxRows || (batch.length === 0 && reserved === null);
      if (part.phase !== 'decode' || !fits) continue;
      batch.push(part);
      rows += part.rows;
    }
    return batch;
  }

  /** Only the first is divided, into what there is room for; returns its rest. */
  #addPrompts(batch: Part[], prompts: readonly Part[], budget: number): Map<object, Part> {
    const rests = new Map<object, Part>();
    const room = this.#limits.maxRows - batch.reduce((sum, { rows }) => sum + rows, 0);
    let left = Math.min(room, budget);
    for (const [index, part] of prompts.entries()) {
      if (left <= 0 || batch.length === this.#limits.maxSequences) break;
      // A tail that would be less than a piece goes along.
      const whole =
        part.rows <= left || (part.rows < left + SMALLEST_PIECE && part.rows <= room && index === 0);
      if (whole) {
        batch.push(part);
        left -= part.rows;
      } else if (index === 0) {
        const [piece, rest] = this.#divide(part, left);
        batch.push(piece);
        rests.set(part.sequence, rest);
        left = 0;
      }
    }
    return rests;
  }
}

function firstOfEach<Part extends Work>(parts: readonly Part[]): Part[] {
  const seen = new Set<object>();
  return parts.filter(({ sequence }) => !seen.has(sequence) && seen.add(sequence));
}
