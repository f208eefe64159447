import type { Candidate } from './router.js';

/** A sequence, as far as it takes up replicas. */
export interface Tenant<Link> {
  /** One replica of each stage; empty while it has no route. */
  readonly route: readonly Link[];
  /** KV room that it reserves in each of them, tokens. */
  readonly maxLength: number;
}

/** What runs on each replica, as of when this was made. */
export class Occupancy<Link extends Candidate> {
  readonly #tenants = new Map<Link, { sequences: number; reserved: number }>();

  constructor(tenants: Iterable<Tenant<Link>>) {
    for (const { route, maxLength } of tenants) for (const link of route) this.#add(link, 1, maxLength);
  }

  sequences(link: Link): number {
    return this.#tenants.get(link)?.sequences ?? 0;
  }

  /** Tokens. A replica's own word may be two seconds old, so at least what we know to run there is not free. */
  freeRoom(link: Link): number {
    const { kvUsed, kvCapacity } = link.status;
    return kvCapacity - Math.max(kvUsed, this.#tenants.get(link)?.reserved ?? 0);
  }

  /** As if a sequence went from one replica to another. */
  move(from: Link, to: Link, maxLength: number): void {
    this.#add(from, -1, -maxLength);
    this.#add(to, 1, maxLength);
  }

  #add(link: Link, sequences: number, reserved: number): void {
    const before = this.#tenants.get(link) ?? { sequences: 0, reserved: 0 };
    this.#tenants.set(link, {
      sequences: before.sequences + sequences,
      reserved: before.reserved + reserved,
    });
  }
}
