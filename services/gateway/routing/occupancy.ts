import type { Candidate } from './router.js';

/** A sequence, as far as it takes up replicas. */
export interface Occupant<Link> {
  /** One replica of each stage; empty while it has no route. */
  readonly route: readonly Link[];
  /** KV room that it takes up in each of them, or is likely to before long, tokens. */
  readonly demand: number;
}

/** Tokens of a typical answer, by which a sequence is likely to grow. */
const TYPICAL_ANSWER = 256;

/** What to count for a sequence that has `length` tokens and may get as many as `maxLength`. */
export const demandOf = (length: number, maxLength: number): number =>
  Math.min(maxLength, length + TYPICAL_ANSWER);

/** What runs on each replica, as of when this was made. */
export class Occupancy<Link extends Candidate> {
  readonly #occupants = new Map<Link, { sequences: number; demand: number }>();
  readonly #left: (link: Link) => number;

  /** `left`: tokens of sequences that a replica has let go since it last told what it holds. */
  constructor(occupants: Iterable<Occupant<Link>>, left: (link: Link) => number = () => 0) {
    this.#left = left;
    for (const { route, demand } of occupants) for (const link of route) this.#add(link, 1, demand);
  }

  sequences(link: Link): number {
    return this.#occupants.get(link)?.sequences ?? 0;
  }

  /** Tokens. A replica's own word may be two seconds old, so at least what we know to run there is not free. */
  freeRoom(link: Link): number {
    const { kvUsed, kvCapacity } = link.status;
    return kvCapacity - Math.max(kvUsed - this.#left(link), this.#occupants.get(link)?.demand ?? 0);
  }

  /** As if a sequence went from one replica to another. */
  move(from: Link, to: Link, demand: number): void {
    this.#add(from, -1, -demand);
    this.#add(to, 1, demand);
  }

  #add(link: Link, sequences: number, demand: number): void {
    const before = this.#occupants.get(link) ?? { sequences: 0, demand: 0 };
    this.#occupants.set(link, { sequences: before.sequences + sequences, demand: before.demand + demand });
  }
}
