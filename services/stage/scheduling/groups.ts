import { movingAverage } from './step-costs.js';

/** A group is late once it has been out for so many times its usual round trip. */
const PATIENCE = 1.5;
/** Before any has come back, a round trip is taken for so many times the group's own step. */
const FIRST_GUESS = 10;
/** Prompts spare a late group until it has been out for so many times as long: what delays it may be prompts. */
const SPARED = 4;
/** Below this, timers and hops decide, not steps. */
const SHORTEST_PATIENCE = 0.005;

/** The sequences of one step that will come back with their next token. */
interface Group {
  /** Which ways they go. */
  readonly lanes: ReadonlySet<string>;
  readonly departed: number;
  /** What its step took in this stage, seconds. */
  readonly step: number;
  /** That its step had, of running sequences with their drafts and of prompts. */
  readonly rows: number;
  readonly deadline: number;
  readonly sparedUntil: number;
  /** Some of its sequences were running before: they wait for their next token, not for their first. */
  readonly decodes: boolean;
  /** Of how many it is made; those that ended are not counted. */
  size: number;
  /** How many have not come back. */
  away: number;
}

/** What others may see of it. */
export type OutGroup = Pick<Group, 'lanes' | 'decodes' | 'away'>;

/**
 * The groups of sequences that are out: that this stage has passed on and that have not come back from the
 * head, by way of the gateway, with their next token. Knows how long that usually takes, as a multiple of a
 * group's own step, so that whoever waits for a group waits in proportion: those that have not come back in
 * that time are late, as those of a client that reads slowly, and nobody waits for them any more. Pure: times are
 * passed in, seconds.
 */
export class Groups {
  readonly #groups = new Map<object, Group>();
  /** Not late. */
  readonly #out = new Set<Group>();
  readonly #late = new Set<Group>();
  /** Round trip over own step, of groups lately. */
  #roundTrip: number | null = null;

  /** Those that are out. */
  get out(): ReadonlySet<OutGroup> {
    return this.#out;
  }

  /** The rows that they had, also of their sequences that are back already. */
  get rows(): number {
    return [...this.#out].reduce((sum, { rows }) => sum + rows, 0);
  }

  /** The rows of those that have not come back, about. */
  get awayRows(): number {
    return [...this.#out].reduce((sum, { rows, size, away }) => sum + (rows * away) / size, 0);
  }

  /** How many running sequences are out, or have not been late for long: what else is computed stalls them. */
  get spared(): number {
    return [...this.#out, ...this.#late].reduce((sum, { decodes, away }) => sum + (decodes ? away : 0), 0);
  }

  /** How many sequences will be back with their first token, and are stalled by what is computed then. */
  get beginning(): number {
    return [...this.#out].reduce((sum, { decodes, away }) => sum + (decodes ? 0 : away), 0);
  }

  /** When the next group will be late; null when none is out. */
  get deadline(): number | null {
    return this.#out.size === 0 ? null : Math.min(...[...this.#out].map(({ deadline }) => deadline));
  }

  /** These sequences are passed on; their step took so many seconds. */
  depart(
    sequences: readonly object[],
    { lanes, decodes, step, rows }: Pick<Group, 'lanes' | 'decodes' | 'step' | 'rows'>,
    now: number,
  ): void {
    if (sequences.length === 0) return;
    const patience = Math.max(SHORTEST_PATIENCE, PATIENCE * step * (this.#roundTrip ?? FIRST_GUESS));
    const size = sequences.length;
    const [deadline, sparedUntil] = [now + patience, now + SPARED * patience];
    const group = { lanes, departed: now, step, rows, decodes, deadline, sparedUntil, size, away: size };
    this.#out.add(group);
    for (const sequence of sequences) this.#groups.set(sequence, group);
  }

  /** A sequence is back, in time or late. */
  returned(sequence: object, now: number): void {
    const group = this.#leave(sequence);
    // The sequence in the middle tells how long a round takes: no slow client can change that.
    if (group === undefined || group.size - group.away !== Math.ceil(group.size / 2)) return;
    this.#roundTrip = movingAverage(this.#roundTrip, (now - group.departed) / Math.max(group.step, 1e-6));
  }

  /** A sequence has ended and will not come back. */
  ended(sequence: object): void {
    const group = this.#leave(sequence);
    if (group !== undefined) group.size--;
  }

  /** Those that should have been back by now are not waited for any more. */
  expire(now: number): void {
    for (const group of this.#out) {
      if (group.deadline > now) continue;
      this.#out.delete(group);
      this.#late.add(group);
    }
    for (const group of this.#late) if (group.sparedUntil <= now) this.#late.delete(group);
  }

  #leave(sequence: object): Group | undefined {
    const group = this.#groups.get(sequence);
    if (group === undefined) return undefined;
    this.#groups.delete(sequence);
    group.away--;
    if (group.away === 0) {
      this.#out.delete(group);
      this.#late.delete(group);
    }
    return group;
  }
}
