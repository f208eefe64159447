import { ServingError } from '../lib/errors/serving-error.js';
import type { CallerLink } from '../lib/mesh/caller-link.js';
import { PREFIX_BLOCK, prefixBlocks } from '../lib/model/prefix-blocks.js';
import type { GenerateRequest, Generation } from './backend.js';
import type { Drafter } from './drafter.js';
import { GatewaySequence } from './gateway-sequence.js';
import type { RerouteReason } from './metrics.js';
import type { Outbox } from './outbox.js';
import { Patience } from './patience.js';
import { demandOf } from './occupancy.js';
import type { Movable } from './rebalance.js';
import type { RoomQueue, RoomSeeker } from './room-queue.js';
import type { RouteProgress } from './route-progress.js';
import type { RouteChooser } from './route-chooser.js';
import { TokenStream } from './token-stream.js';

export interface MeshGenerationOptions {
  readonly id: string;
  /** Counts generations in the order in which they came. */
  readonly order: number;
  readonly request: GenerateRequest;
  /** Our own replica id. */
  readonly gateway: string;
  readonly routes: RouteChooser<CallerLink>;
  /** Where it waits for room. */
  readonly queue: RoomQueue;
  readonly outbox: Outbox;
  /** Rows of a chunk of a prompt of which so many are to be computed, as things are. */
  prefillChunk(rows: number): number;
  /** How long it looks for a route before it fails, ms. */
  readonly patienceMs: number;
  /** For all its routes; null where nothing is to be guessed. */
  readonly drafter: Drafter | null;
  /** Whether the stages are asked to keep what it begins with. */
  readonly prefixCache: boolean;
  /** It leaves a route on which it was open. */
  onReroute(reason: RerouteReason): void;
  /** Called once, when it is over. */
  onDone(): void;
}

/** A planned move: why, and a replica that the next route is not to go through. */
interface Departure {
  readonly reason: RerouteReason;
  readonly avoid: CallerLink | null;
}

/**
 * A generation over the mesh, whatever becomes of the replicas that it runs on. It holds every token; when its
 * route breaks, or is to be left, the sequence is opened on another one in the next epoch and its tokens are fed
 * again like a prompt, while the consumer waits a little longer for the next.
 */
export class MeshGeneration implements Movable<CallerLink>, RoomSeeker {
  readonly tokens: TokenStream;
  readonly #options: MeshGenerationOptions;
  readonly #patience: Patience;
  /** The prompt, and what has been sampled. */
  readonly #all: number[];
  #prefix: string[] | null = null;
  #epoch = 0;
  #sequence: GatewaySequence | null = null;
  /** When the whole route agreed, ms; null while it has not. */
  #openSince: number | null = null;
  /** A pull waits for tokens: they have been asked for, or will be as soon as a route is open. */
  #wanted = false;
  #departure: Departure | null = null;
  /** Replicas of the routes that failed since the last token. */
  readonly #avoid = new Set<CallerLink>();
  #retry: NodeJS.Timeout | undefined;
  /** Until the first route has agreed. */
  #started: { resolve(generation: Generation): void; reject(reason: ServingError): void } | null = null;
  #unlisten = (): void => undefined;

  constructor(options: MeshGenerationOptions) {
    this.#options = options;
    this.#patience = new Patience(options.patienceMs);
    this.#all = [...options.request.prompt];
    this.tokens = new TokenStream(
      () => this.#advance(),
      () => this.#end(),
    );
  }

  /** Resolves once every stage of a route has agreed; `signal` ends the generation, then and later. */
  start(signal: AbortSignal): Promise<Generation> {
    const abort = (): void =>
      this.fail(new ServingError('stream_broken', 'the request was aborted', { cause: signal.reason }));
    signal.addEventListener('abort', abort, { once: true });
    this.#unlisten = () => signal.removeEventListener('abort', abort);
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject };
      if (signal.aborted) abort();
      else this.#seek();
    });
  }

  get route(): readonly CallerLink[] {
    return this.#sequence?.route ?? [];
  }

  get order(): number {
    return this.#options.order;
  }

  get demand(): number {
    return demandOf(this.length, this.maxLength);
  }

  get length(): number {
    return this.#all.length;
  }

  get maxLength(): number {
    const { prompt, maxTokens } = this.#options.request;
    return prompt.length + maxTokens;
  }

  get settledMs(): number {
    return this.#openSince === null ? 0 : performance.now() - this.#openSince;
  }

  /** What belongs to an older epoch finds nothing. */
  sequenceOf(epoch: number): GatewaySequence | null {
    return this.#sequence?.epoch === epoch ? this.#sequence : null;
  }

  /**
   * Leaves its route for another one, not through `avoid` if there is any other: at once, or with the next pull
   * if a step is under way. Without a route it is looking for one anyway.
   */
  move(reason: RerouteReason, avoid: CallerLink | null = null): void {
    if (this.#openSince === null) return;
    if (this.#wanted) this.#departure = { reason, avoid };
    else this.#depart({ reason, avoid });
  }

  /** A replica of its route is gone. */
  lost(reason: ServingError): void {
    this.#sequence?.fail(reason);
  }

  /** Leaves its route where that does not get on. */
  checkProgress(progress: RouteProgress<CallerLink>, now: number): void {
    const since = this.#sequence?.waitingSince ?? null;
    const problem = since === null ? null : progress.problem(this.route, since, now);
    if (problem !== null) this.#sequence!.fail(new ServingError('stream_broken', problem), 'step_timeout');
  }

  /** Ends it before its time. */
  fail(reason: ServingError): void {
    this.#started?.reject(reason);
    this.#started = null;
    this.tokens.fail(reason);
  }

  /** Takes a route if there is room for it: for the queue in which it waits. */
  enter(): boolean {
    try {
      return this.#open();
    } catch (error) {
      this.#tryAgain(ServingError.from(error));
      return true; // It waits by itself now, and keeps nobody else waiting.
    }
  }

  giveUp(): void {
    this.fail(new ServingError('kv_exhausted', 'no room has become free for its keys and values'));
  }

  #advance(): boolean {
    if (this.length === this.maxLength) return false;
    this.#wanted = true;
    this.#options.request.trace?.wanted();
    if (this.#departure !== null) this.#depart(this.#departure);
    else if (this.#openSince !== null) this.#sequence?.step();
    return true;
  }

  /** Looks for a route: at once, if nobody has waited longer. */
  #seek(): void {
    this.#options.queue.add(this);
  }

  /** Takes the best route; false where there is no room. Throws `stage_unavailable` and `kv_exhausted`. */
  #open(): boolean {
    const { id, request, gateway, routes, outbox, drafter } = this.#options;
    if (this.#options.prefixCache) {
      // The last token is always computed: its logits are what the next one is sampled from.
      const known = this.#prefix ?? [];
      this.#prefix = prefixBlocks(this.#all.slice(0, -1), { known, salt: request.cacheSalt });
    }
    const { length, demand } = this;
    const prefix = this.#prefix;
    const route = routes.choose({ length, demand, prefix: prefix ?? [], avoid: this.#avoid });
    if (route === null) return false;
    this.#sequence = new GatewaySequence({
      id,
      epoch: ++this.#epoch,
      route,
      request,
      tokens: this.#all,
      gateway,
      outbox,
      prefillChunk: (rows) => this.#options.prefillChunk(rows),
      drafter,
      prefix,
      onAgreed: (cachedTokens) => this.#agreed(route, cachedTokens),
      onTokens: (tokens) => this.#receive(tokens),
      onFailed: (reason, why) => this.#broken(reason, why),
    });
    this.#sequence.open();
    return true;
  }

  #agreed(route: readonly CallerLink[], cachedTokens: number): void {
    this.#openSince = performance.now();
    this.#patience.agreed();
    this.#options.routes.note(route, this.#prefix ?? [], cachedTokens / PREFIX_BLOCK);
    const name = route.map(({ appId, replica }) => `${appId}/${replica}`).join('>');
    this.#started?.resolve({ route: name, cachedTokens, tokens: this.tokens });
    this.#started = null;
    if (this.#wanted) this.#sequence!.step();
  }

  #receive(tokens: readonly number[]): void {
    this.#all.push(...tokens);
    this.#wanted = false;
    this.#avoid.clear();
    this.#patience.rewarded();
    // A slow consumer keeps no replica from what it has been sampled already.
    if (this.length === this.maxLength) this.#leave();
    this.tokens.push(tokens);
  }

  #broken(reason: ServingError, why: RerouteReason): void {
    // Of what no other route can mend nothing is kept: who knows what it is.
    const route = this.#leave(isMendable(reason));
    if (reason.code === 'kv_exhausted') {
      this.#options.routes.full(route.links);
      if (route.wasOpen) this.#options.onReroute('preempted');
      this.#seek();
      return;
    }
    for (const link of route.links) this.#avoid.add(link);
    if (route.wasOpen) {
      this.#patience.broke();
      if (isMendable(reason)) this.#options.onReroute(why);
    }
    this.#tryAgain(reason);
  }

  #depart({ reason, avoid }: Departure): void {
    if (avoid !== null) this.#avoid.add(avoid);
    this.#options.onReroute(reason);
    this.#leave();
    this.#seek();
  }

  /** Looks for another route, at once or a little later, where one can help. */
  #tryAgain(reason: ServingError): void {
    const pause = canReplay(reason) ? this.#patience.next() : null;
    if (pause === null) this.fail(reason);
    else this.#retry = setTimeout(() => this.#seek(), pause).unref();
  }

  /** The route that it leaves, and whether all of that had agreed. */
  #leave(keep = true): { links: readonly CallerLink[]; wasOpen: boolean } {
    const sequence = this.#sequence;
    const left = { links: this.route, wasOpen: this.#openSince !== null };
    this.#sequence = null;
    this.#openSince = null;
    this.#departure = null;
    if (sequence === null) return left;
    const { routes, queue } = this.#options;
    const kept = sequence.close(keep);
    routes.note(sequence.route, kept, kept.length);
    routes.left(sequence.route, this.length);
    // Whoever waits for room is let in when whatever this belongs to is done.
    setImmediate(() => queue.admit());
    queue.moved();
    return left;
  }

  #end(): void {
    clearTimeout(this.#retry);
    this.#unlisten();
    this.#options.queue.remove(this);
    this.#leave();
    this.#options.onDone();
  }
}

/** What another route, or the same one a little later, can do away with. */
const canReplay = ({ code }: ServingError): boolean =>
  code === 'stage_unavailable' || code === 'stream_broken';

/** A sequence that had to give way can go on, too, once there is room. */
const isMendable = (reason: ServingError): boolean => canReplay(reason) || reason.code === 'kv_exhausted';
