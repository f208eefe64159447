import { ServingError } from '../../lib/errors/serving-error.js';
import { PREFIX_BLOCK } from '../../lib/model/prefix-blocks.js';
import { Occupancy, type Occupant } from './occupancy.js';
import { PrefixIndex } from './prefix-index.js';
import { loadOf, pickRoute, type Candidate } from './router.js';

interface RouteWish<Link> {
  /** Tokens that the sequence has. */
  readonly length: number;
  /** KV room that it is likely to take up, tokens. */
  readonly demand: number;
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
  readonly #occupants: () => Iterable<Occupant<Link>>;
  readonly #meshName: string;
  readonly #prefixes = new PrefixIndex();
  /** What left each replica since the status with which it is remembered. */
  readonly #left = new WeakMap<Link, { status: Link['status']; tokens: number }>();

  /** `stages`: links to the replicas of each stage, stage 0 first; `occupants`: what runs. Both as of the call. */
  constructor(
    stages: () => readonly (readonly Link[])[],
    occupants: () => Iterable<Occupant<Link>>,
    meshName = '',
  ) {
    this.#stages = stages;
    this.#occupants = occupants;
    this.#meshName = meshName;
  }

  /**
   * One replica of each stage; null where there is no room for the sequence now. Throws `stage_unavailable`, or
   * `kv_exhausted` where it would not fit even alone, so that to try again is in vain.
   */
  choose({ length, demand, prefix, avoid }: RouteWish<Link>): Link[] | null {
    const occupancy = this.#occupancy();
    const load = (link: Link): number => {
      const shunned = (avoid.has(link) ? AVOIDED : 0) + (occupancy.freeRoom(link) < demand ? AVOIDED : 0);
      return loadOf(
        occupancy.sequences(link) + shunned,
        this.#prefixes.held(link.replica, prefix) * PREFIX_BLOCK,
      );
    };
    const running = Array.from(this.#occupants(), (occupant) => occupant.route);
    const route = pickRoute(this.#stages(), load, running, this.#meshName);
    const capacity = Math.min(...route.map(({ status }) => status.kvCapacity));
    if (length >= capacity) {
      const problem = `a sequence of ${length} tokens and more needs more than the KV room of ${capacity}`;
      throw new ServingError('kv_exhausted', problem, {
        hint: 'raise LAYERMESH_KV_TOKENS',
        retryAfter: Infinity,
      });
    }
    const wanted = Math.min(demand, capacity);
    return route.every((link) => occupancy.freeRoom(link) >= wanted) ? route : null;
  }

  /** Whether there is a link to a replica of that name. */
  reaches(replica: string): boolean {
    return this.#stages().some((links) => links.some((link) => link.replica === replica));
  }

  /** Those of all sequences on draining replicas that others can take; who would have to wait for room stays. */
  leaving<Sequence extends Occupant<Link>>(sequences: readonly Sequence[]): Sequence[] {
    const drained = sequences.filter(({ route }) => route.some(({ draining }) => draining));
    let others = sequences.reduce((sum, { route, demand }) => sum + (route.length === 0 ? demand : 0), 0);
    return drained.filter((sequence) => {
      const leaves = this.canLeaveDraining(sequence, others);
      if (leaves) others += sequence.demand;
      return leaves;
    });
  }

  /**
   * Whether a sequence could leave the draining replicas of its route: there are others, and they have room, also when
   * `others` have theirs, who are without a route or about to leave one, tokens.
   */
  canLeaveDraining({ route, demand }: Occupant<Link>, others = 0): boolean {
    const occupancy = this.#occupancy();
    const hasRoom = (link: Link): boolean => occupancy.freeRoom(link) >= demand + others;
    try {
      const other = pickRoute(this.#stages(), (link) => (hasRoom(link) ? 0 : 1));
      return other.every((link) => route.includes(link) || hasRoom(link));
    } catch {
      return false;
    }
  }

  /** The replicas of a route hold the first `held` of these blocks, and no more of them. */
  note(route: readonly Link[], names: readonly string[], held: number): void {
    for (const link of route) this.#prefixes.note(link.replica, names, held);
  }

  /** A sequence of so many tokens has left a route: what its replicas told of their room does not know it yet. */
  left(route: readonly Link[], tokens: number): void {
    for (const link of route)
      this.#left.set(link, { status: link.status, tokens: this.#leftOf(link) + tokens });
  }

  /** There was no room on a route after all: it is looked at again when its replicas have told more. */
  full(route: readonly Link[]): void {
    this.left(route, -Infinity);
  }

  #leftOf(link: Link): number {
    const left = this.#left.get(link);
    return left?.status === link.status ? left.tokens : 0;
  }

  #occupancy(): Occupancy<Link> {
    return new Occupancy(this.#occupants(), (link) => this.#leftOf(link));
  }
}
