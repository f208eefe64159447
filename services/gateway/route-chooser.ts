import { PREFIX_BLOCK } from '../lib/wire/prefix-blocks.js';
import { Occupancy, type Tenant } from './occupancy.js';
import { PrefixIndex } from './prefix-index.js';
import { loadOf, pickRoute, type Candidate } from './router.js';

export interface RouteWish<Link> {
  readonly maxLength: number;
  /** Names of the blocks that the sequence begins with. */
  readonly prefix: readonly string[];
  /** To be taken only where there is no other. */
  readonly avoid: ReadonlySet<Link>;
}

/** What a replica that is to be avoided, or has no room, counts as running: more than any that is neither. */
const AVOIDED = 1e6;

/** Chooses routes by what the gateway knows of each replica: what runs there, its room, what it holds of a prompt. */
export class RouteChooser<Link extends Candidate> {
  readonly #stages: () => readonly (readonly Link[])[];
  readonly #tenants: () => Iterable<Tenant<Link>>;
  readonly #prefixes = new PrefixIndex<Link>();

  /** `stages`: links to the replicas of each stage, stage 0 first; `tenants`: what runs. Both as of the call. */
  constructor(stages: () => readonly (readonly Link[])[], tenants: () => Iterable<Tenant<Link>>) {
    this.#stages = stages;
    this.#tenants = tenants;
  }

  /** One replica of each stage. Throws `stage_unavailable`. */
  choose({ maxLength, prefix, avoid }: RouteWish<Link>): Link[] {
    const occupancy = new Occupancy(this.#tenants());
    return pickRoute(this.#stages(), (link) => {
      const shunned = (avoid.has(link) ? AVOIDED : 0) + (occupancy.freeRoom(link) < maxLength ? AVOIDED : 0);
      return loadOf(occupancy.sequences(link) + shunned, this.#prefixes.held(link, prefix) * PREFIX_BLOCK);
    });
  }

  /** Whether a sequence could leave the draining replicas of its route: there are others, and they have room. */
  canLeaveDraining({ route, maxLength }: Tenant<Link>): boolean {
    const occupancy = new Occupancy(this.#tenants());
    try {
      const other = this.choose({ maxLength, prefix: [], avoid: new Set() });
      return other.every((link) => route.includes(link) || occupancy.freeRoom(link) >= maxLength);
    } catch {
      return false;
    }
  }

  /** The replicas of a route hold the first `held` of these blocks, and no more of them. */
  note(route: readonly Link[], names: readonly string[], held: number): void {
    for (const link of route) this.#prefixes.note(link, names, held);
  }
}
