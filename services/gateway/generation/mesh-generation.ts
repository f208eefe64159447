import { ServingError } from '../../lib/errors/serving-error.js';
import type { CallerLink } from '../../lib/mesh/caller-link.js';
import { PREFIX_BLOCK, prefixBlocks } from '../../lib/model/prefix-blocks.js';
import type { StepTokens } from '../../lib/sampling/step-tokens.js';
import type { Generation } from './backend.js';
import { Leg, type LegOptions } from './leg.js';
import type { RerouteReason } from '../telemetry/metrics.js';
import { demandOf } from '../routing/occupancy.js';
import { awaitReturn, canReplay, isMendable, type LostReplica, Patience, returnMs } from './patience.js';
import { PromptScores } from './prompt-scores.js';
import type { Movable } from '../routing/rebalance.js';
import type { RoomQueue } from '../routing/room-queue.js';
import type { RouteChooser } from '../routing/route-chooser.js';
import type { RouteProgress } from '../routing/route-progress.js';

interface MeshGenerationOptions extends Omit<LegOptions, 'epoch' | 'route' | 'tokens' | 'prefix' | 'scores'> {
  /** Counts generations in the order in which they came. */
  readonly order: number;
  readonly routes: RouteChooser<CallerLink>;
  /** Where it waits for room. */
  readonly queue: RoomQueue;
  /** How long it looks for a route before it fails, ms; as of the call. */
  readonly patienceMs: () => number;
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
export class MeshGeneration implements Movable<CallerLink> {
  readonly #options: MeshGenerationOptions;
  readonly #patience: Patience;
  /** The prompt, and what has been sampled. */
  readonly #all: number[];
  readonly #scores: PromptScores | null;
  #prefix: string[] | null = null;
  #epoch = 0;
  /** Asked for, or open; null between two legs. */
  #leg: Leg | null = null;
  /** The leg that is open, or will be. */
  #ready: Promise<Leg> | null = null;
  #departure: Departure | null = null;
  /** Why the last leg broke, while there has been no other try. */
  #trouble: ServingError | null = null;
  /** A prompt that has cost much goes on where it was, if that can be reached again soon. */
  #lost: LostReplica | null = null;
  /** Replicas at fault for the routes that failed since the last token. */
  readonly #avoid = new Set<CallerLink>();
  /** Aborts when it is over, with the reason: whatever it waits for then is waited for no longer. */
  readonly #over = new AbortController();
  #unlisten = (): void => undefined;

  constructor(options: MeshGenerationOptions) {
    this.#options = options;
    this.#patience = new Patience(options.patienceMs);
    const { prompt, score } = options.request;
    this.#all = [...prompt];
    this.#scores = score === undefined ? null : new PromptScores(prompt.length, score);
  }

  /** Resolves once every stage of a route has agreed; `signal` ends the generation, then and later, pulled or not. */
  async start(signal: AbortSignal): Promise<Generation> {
    const abort = (): void =>
      this.end(new ServingError('stream_broken', 'the request was aborted', { cause: signal.reason }));
    signal.addEventListener('abort', abort, { once: true });
    this.#unlisten = () => signal.removeEventListener('abort', abort);
    if (signal.aborted) abort();
    this.#goOn();
    const { route, cachedTokens } = await this.#ready!;
    const name = route.map(({ appId, replica }) => `${appId}/${replica}`).join('>');
    return { route: name, cachedTokens, tokens: this.#decode() };
  }

  /**
   * The decode loop. Pulling is what asks the mesh for more, so a consumer that stops, or waits for a slow client, costs no
   * further step.
   */
  async *#decode(): AsyncGenerator<StepTokens> {
    try {
      while (this.length < this.maxLength) {
        this.#over.signal.throwIfAborted();
        this.#options.request.trace?.wanted();
        if (this.#departure !== null) this.#depart(this.#departure);
        const leg = await this.#ready!;
        const step = await leg.step();
        if (step === null) continue; // The leg is over before it came, and the next one on its way.
        yield this.#take(step);
        if (step.ended) return;
      }
    } finally {
      this.end(new ServingError('stream_broken', 'its consumer wants no more'));
    }
  }

  /** A link for each stage, from the leg that is asked for or open; empty between two legs. */
  get route(): readonly CallerLink[] {
    return this.#leg?.route ?? [];
  }

  /** KV room that it is taken to need, tokens (`routing/occupancy.ts`). */
  get demand(): number {
    return demandOf(this.length, this.maxLength);
  }

  /** The prompt and what has been sampled, tokens. */
  get length(): number {
    return this.#all.length;
  }

  /** Tokens that it has at the most when it ends. */
  get maxLength(): number {
    const { prompt, maxTokens } = this.#options.request;
    return prompt.length + maxTokens;
  }

  /** For how long its route has been open, ms; 0 while none is. */
  get settledMs(): number {
    return this.#leg?.openMs ?? 0;
  }

  /** What belongs to an older epoch finds nothing. */
  legOf(epoch: number): Leg | null {
    return this.#leg?.epoch === epoch ? this.#leg : null;
  }

  /**
   * Leaves its route for another one, not through `avoid` if there is any other: at once, or with the next pull
   * if a step is under way. Without a route it is looking for one anyway.
   */
  move(reason: RerouteReason, avoid: CallerLink | null = null): void {
    const leg = this.#leg;
    if (leg === null || leg.openMs === null) return;
    if (leg.waitingSince === null) this.#depart({ reason, avoid });
    else this.#departure = { reason, avoid };
  }

  /** Leaves its route where that does not get on. */
  checkProgress(progress: RouteProgress<CallerLink>, now: number): void {
    const since = this.#leg?.waitingSince ?? null;
    const problem = since === null ? null : progress.problem(this.route, since, now);
    if (problem !== null) this.broke(problem, 'step_timeout');
  }

  /** It cannot go on over its route. Where another one can help, that is the next leg's. */
  broke(reason: ServingError, why: RerouteReason = 'replica_lost'): void {
    // Of what no other route can mend nothing is kept: who knows what it is.
    const leg = this.#leave(isMendable(reason));
    if (!isMendable(reason)) {
      this.end(reason);
      return;
    }
    const gaveWay = reason.code === 'kv_exhausted';
    if (gaveWay) {
      this.#options.routes.full(leg?.route ?? []);
    } else {
      for (const link of leg?.atFault(reason) ?? []) this.#avoid.add(link);
      this.#trouble = reason;
    }
    if (leg === null || leg.openMs === null) return;
    if (!gaveWay) this.#patience.broke(leg.openMs);
    const { replica } = reason;
    if (why === 'replica_lost' && replica !== null)
      this.#lost = { replica, until: performance.now() + returnMs(leg.promptMs) };
    this.#options.onReroute(gaveWay ? 'preempted' : why);
    this.#goOn();
  }

  /** Ends it; once it has ended, for whatever reason, nothing more happens. */
  end(reason: ServingError): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort(reason);
    this.#unlisten();
    this.#leave();
    this.#options.drafter?.end();
    this.#options.onDone();
  }

  /** Opens the next leg, so that it is there when somebody pulls. */
  #goOn(): void {
    this.#ready = this.#openLeg();
    this.#ready.catch((error: unknown) => this.end(ServingError.from(error)));
  }

  /** On as many routes as it takes; what breaks before all have agreed is no leg. Throws why there is none. */
  async #openLeg(): Promise<Leg> {
    const { signal } = this.#over;
    const lost = this.#lost;
    this.#lost = null;
    if (lost !== null) await awaitReturn(lost, (replica) => this.#options.routes.reaches(replica), signal);
    for (;;) {
      signal.throwIfAborted();
      await this.#pause();
      const leg = await this.#takeRoute();
      if (leg === null || !(await leg.open())) continue;
      this.#patience.agreed(leg.cachedTokens);
      this.#options.routes.note(leg.route, this.#prefix ?? [], leg.cachedTokens / PREFIX_BLOCK);
      return leg;
    }
  }

  /** After a leg that broke: for so long as the patience lasts. */
  async #pause(): Promise<void> {
    const trouble = this.#trouble;
    this.#trouble = null;
    const { signal } = this.#over;
    if (trouble !== null && !(await this.#patience.pause(signal))) throw trouble;
    signal.throwIfAborted();
  }

  /** A leg on the best route, once there is room for it and nobody has waited longer; null where there is no route now. */
  async #takeRoute(): Promise<Leg | null> {
    const { queue, order, request } = this.#options;
    const turn = { order, begun: this.length > request.prompt.length };
    try {
      return await queue.enter(turn, () => this.#choose(), this.#over.signal);
    } catch (error) {
      const reason = ServingError.from(error);
      this.#over.signal.throwIfAborted();
      if (!canReplay(reason)) throw reason;
      this.#trouble = reason;
      return null;
    }
  }

  /** Takes the best route; null where there is no room. Throws `stage_unavailable` and `kv_exhausted`. */
  #choose(): Leg | null {
    const { request, routes } = this.#options;
    // What is cached has no logits to score.
    if (this.#options.prefixCache && this.#scores === null) {
      // The last token is always computed: its logits are what the next one is sampled from.
      const known = this.#prefix ?? [];
      this.#prefix = prefixBlocks(this.#all.slice(0, -1), { known, salt: request.cacheSalt });
    }
    const { length, demand } = this;
    const scores = this.#scores;
    const prefix = this.#prefix;
    const route = routes.choose({ length, demand, prefix: prefix ?? [], avoid: this.#avoid });
    if (route === null) return null;
    this.#leg = new Leg({ ...this.#options, epoch: ++this.#epoch, route, tokens: this.#all, prefix, scores });
    return this.#leg;
  }

  /** The step as its consumer gets it. Throws `invalid_frame` where the head has not told of it what was asked. */
  #take(step: StepTokens): StepTokens {
    const { tokens, ended, logprobs } = step;
    const isFirst = this.length === this.#options.request.prompt.length;
    const isRated = logprobs !== undefined || this.#options.request.sampling.logprobs === null;
    if (!isRated || this.#scores?.complete === false)
      throw new ServingError('invalid_frame', 'tokens without their log probabilities');
    this.#all.push(...tokens);
    this.#avoid.clear();
    this.#patience.rewarded();
    // A slow consumer keeps no replica from what it has been sampled already.
    if (ended || this.length === this.maxLength) this.#leave();
    return isFirst && this.#scores !== null ? { ...step, scored: this.#scores.scored } : step;
  }

  #depart({ reason, avoid }: Departure): void {
    if (avoid !== null) this.#avoid.add(avoid);
    this.#options.onReroute(reason);
    this.#leave();
    this.#goOn();
  }

  /** Closes the leg that is asked for or open, and returns it; null between two. */
  #leave(keep = true): Leg | null {
    const leg = this.#leg;
    this.#leg = null;
    this.#departure = null;
    if (leg === null) return null;
    const { routes, queue } = this.#options;
    const kept = leg.close(keep);
    routes.note(leg.route, kept, kept.length);
    routes.left(leg.route, this.length);
    // Whoever waits for room is let in when whatever this belongs to is done.
    setImmediate(() => queue.admit());
    queue.moved();
    return leg;
  }
}
