import { randomBytes } from 'node:crypto';
import type { Tracer } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { parseStageId, stageIds } from '../../lib/config/app-id.js';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { CallerLink } from '../../lib/mesh/caller-link.js';
import type { Identity } from '../../lib/mesh/identity.js';
import { LinkManager } from '../../lib/mesh/link-manager.js';
import { logLinkTroubles } from '../../lib/mesh/log-link-troubles.js';
import type { Mesh, MessageStream } from '../../lib/mesh/types.js';
import type { LayerRange } from '../../lib/model/split.js';
import { fromSampledMessage } from '../../lib/sampling/step-tokens.js';
import type { Hello, Message, Sampled } from '../../lib/wire/gen/stage_pb.js';
import type { Backend, GenerateRequest, Generation, Topology } from './backend.js';
import { Drafter, type Speculation } from '../speculation/drafter.js';
import { chunkRows, Outbox, type Leg } from './leg.js';
import { MeshGeneration } from './mesh-generation.js';
import { linkOf, topologyOf, totalsOf, type ReplicaLink } from './mesh-view.js';
import type { RerouteReason } from '../telemetry/metrics.js';
import type { Occupation } from '../demand/demand-meter.js';
import { fillOf } from '../demand/stage-cost.js';
import { planRebalance } from '../routing/rebalance.js';
import type { ReplicaTotals } from '../report/totals-log.js';
import { RoomQueue } from '../routing/room-queue.js';
import { RouteChooser } from '../routing/route-chooser.js';
import { RouteProgress } from '../routing/route-progress.js';
import { onSomeRoute, pickRoute } from '../routing/router.js';

export interface MeshBackendOptions {
  readonly mesh: Mesh;
  /** In the app-ids of the stages; nothing by default. */
  readonly meshName?: string;
  readonly identity: Identity;
  readonly model: string;
  /** Null of one that computes. */
  readonly engine?: string | null;
  readonly ranges: readonly LayerRange[];
  /** Rows of one prefill chunk, at most, and about as many of a prompt that leaves stages idle. */
  readonly prefillChunk: number;
  readonly prefillChunkAlone: number;
  /** Rows of a chunk of a prompt that is scored, at most. */
  readonly scoreChunk: number;
  /** How long a step of a stage may take, ms. */
  readonly stepTimeoutMs: number;
  /** How long a sequence without a route waits for one, ms. */
  readonly patienceMs: number;
  /** The same where a stage has no replica, because they are started when somebody asks; 0 where they are not. */
  readonly startPatienceMs?: number;
  readonly reroutes: { inc(labels: { readonly reason: RerouteReason }): void };
  /** Null where nothing is to be guessed. */
  readonly speculation: Speculation | null;
  /** Whether stages are asked to keep what a sequence began with, for the next that begins alike. */
  readonly prefixCache: boolean;
  readonly log: Logger;
  readonly tracer?: Tracer;
  /** Ends every sequence's name, so that nobody can name another's; random by default. */
  readonly nameSuffix?: () => string;
}

const randomSuffix = (): string => `-${randomBytes(9).toString('base64url')}`;

/** Between two looks at who is better off elsewhere. */
const TEND_MS = 1_000;

/** Runs sequences over the mesh: a link to every replica of every stage, a route for each sequence. */
export class MeshBackend implements Backend {
  readonly #options: MeshBackendOptions;
  readonly #stages: readonly LinkManager[];
  readonly #generations = new Map<string, MeshGeneration>();
  readonly #routes: RouteChooser<CallerLink>;
  readonly #queue: RoomQueue;
  readonly #progress: RouteProgress<CallerLink>;
  readonly #outbox = new Outbox();
  readonly #tending: NodeJS.Timeout;
  #waysChanged = false;
  #count = 0;
  #draining = false;

  constructor(options: MeshBackendOptions) {
    this.#options = options;
    const { meshName = '', ranges } = options;
    this.#stages = stageIds(meshName, ranges.length).map((appId) => this.#linkTo(appId));
    this.#routes = new RouteChooser(
      () => this.#links(),
      () => this.#generations.values(),
      meshName,
    );
    this.#queue = new RoomQueue(options.patienceMs);
    this.#progress = new RouteProgress(options.stepTimeoutMs);
    this.#tending = setInterval(() => this.#tend(), TEND_MS).unref();
  }

  generate(request: GenerateRequest, signal: AbortSignal): Promise<Generation> {
    const { identity, speculation, prefixCache, reroutes, log, scoreChunk } = this.#options;
    const { nameSuffix = randomSuffix } = this.#options;
    const order = ++this.#count;
    const id = `${identity.replica}-${order}${nameSuffix()}`;
    const generation = new MeshGeneration({
      id,
      order,
      request,
      gateway: identity.replica,
      routes: this.#routes,
      queue: this.#queue,
      outbox: this.#outbox,
      prefillChunk: (rows) =>
        Math.min(this.#prefillChunk(rows), request.score === undefined ? Infinity : scoreChunk),
      patienceMs: () => this.#patienceMs(),
      drafter: speculation && new Drafter(request, speculation, () => this.#generations.size),
      prefixCache,
      onReroute: (reason) => {
        request.trace?.trail.left(reason);
        reroutes.inc({ reason });
        log.info({ sequence: id, reason }, 'rerouted');
      },
      onDone: () => this.#generations.delete(id),
    });
    this.#generations.set(id, generation);
    return generation.start(signal);
  }

  /** Sequences that wait for KV room. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** What its sequences take up, and how full the stages are with those of all gateways. */
  occupation(): Occupation {
    const sequences = [...this.#generations.values()];
    const running = sequences.filter(({ route }) => route.length > 0).length;
    return {
      stages: this.#stages.map(({ links }) => fillOf(links.map(({ status }) => status))),
      running,
      waiting: sequences.length - running,
      kvTokens: sequences.reduce((sum, { demand }) => sum + demand, 0),
    };
  }

  notReadyReason(): string | null {
    if (this.#draining) return 'the gateway is stopping';
    if (this.#isStarting) return null; // Requests are what starts it.
    try {
      pickRoute(this.#links(), () => 0, [], this.#options.meshName);
      return null;
    } catch (error) {
      return [ServingError.from(error).message, ...this.warnings()].join('; ');
    }
  }

  warnings(): string[] {
    const troubles = this.#stages.flatMap(({ registryTrouble }) => registryTrouble ?? []);
    return [...new Set(troubles), ...this.#stages.flatMap(({ disagreements }) => disagreements)];
  }

  topology(): Topology {
    return topologyOf(this.#options, this.#links());
  }

  /** What every replica has done so far, as it last told. */
  totals(): ReplicaTotals[] {
    return this.#links().flat().map(totalsOf);
  }

  /** What passes every replica, as it last told. */
  replicaLinks(): ReplicaLink[] {
    return this.#links().flat().map(linkOf);
  }

  /** A replica has opened a stream to us, for us to call it there; who is none of the stages is refused by any. */
  invited(stream: MessageStream, invite: Hello): void {
    const { index = 0 } = parseStageId(invite.appId) ?? {};
    void (this.#stages[index] ?? this.#stages[0]!).invited(stream, invite);
  }

  /** Not ready from now on, so that nobody sends more; what is asked nevertheless is still answered. */
  drain(): void {
    this.#draining = true;
  }

  /** Ends what still runs, and all links. */
  async close(): Promise<void> {
    clearInterval(this.#tending);
    for (const generation of [...this.#generations.values()]) {
      generation.end(new ServingError('stage_unavailable', 'the gateway is stopping'));
    }
    await Promise.all(this.#stages.map((stage) => stage.close()));
  }

  /** Whether a stage is at zero and will be started for whoever asks. */
  get #isStarting(): boolean {
    const { startPatienceMs = 0 } = this.#options;
    return (
      startPatienceMs > 0 &&
      this.#stages.some(({ links, disagreements }) => links.length === 0 && disagreements.length === 0)
    );
  }

  #patienceMs(): number {
    const { patienceMs, startPatienceMs = 0 } = this.#options;
    return this.#isStarting ? Math.max(patienceMs, startPatienceMs) : patienceMs;
  }

  #links(): CallerLink[][] {
    return this.#stages.map((stage) => stage.links);
  }

  #prefillChunk(rows: number): number {
    const { prefillChunk: most, prefillChunkAlone: alone, ranges } = this.#options;
    return chunkRows({ most, alone }, { rows, running: this.#generations.size, stages: ranges.length });
  }

  /** Moves running sequences to where they are better off, and lets in those for which there is room by now. */
  #tend(): void {
    const now = performance.now();
    this.#progress.observe(this.#links().flat(), now);
    for (const generation of [...this.#generations.values()]) generation.checkProgress(this.#progress, now);
    this.#handOver();
    const sequences = [...this.#generations.values()];
    for (const { sequence, from } of planRebalance(onSomeRoute(this.#links()), sequences)) {
      sequence.move('rebalanced', from);
    }
    this.#queue.admit();
  }

  /** There are other ways through the mesh than before: whoever waits, or is crowded, takes them in this turn. */
  #onWays(): void {
    if (this.#waysChanged) return;
    this.#waysChanged = true;
    setImmediate(() => {
      this.#waysChanged = false;
      this.#tend();
    });
  }

  /** Draining replicas are left as soon as others can take what runs on them. */
  #handOver(): void {
    for (const generation of this.#routes.leaving([...this.#generations.values()]))
      generation.move('draining');
  }

  #linkTo(appId: string): LinkManager {
    const { mesh, identity, log, tracer } = this.#options;
    return new LinkManager({
      mesh,
      identity,
      ...(tracer && { tracer }),
      appId,
      ...logLinkTroubles(log, appId),
      onUp: ({ replica }) => {
        log.info({ to: `${appId}/${replica}` }, 'link up');
        this.#onWays();
      },
      onNews: () => this.#onWays(),
      onDown: (link, reason) => {
        log.warn({ to: `${appId}/${link.replica}`, reason: reason.message }, 'link down');
        this.#lost(link);
      },
      onMessage: (link, message) => this.#receive(link, message),
    });
  }

  /** A sequence hears its head, and of failures its first stage, and nobody else. */
  #receive(link: CallerLink, { body }: Message): void {
    if (body.case === 'tokens') {
      for (const sampled of body.value.sampled) this.#sampled(link, sampled);
    } else if (body.case === 'opened') {
      this.#legOf(body.value.sequence, body.value.epoch, link, -1)?.agreed(body.value.cachedTokens);
    } else if (body.case === 'failed') {
      const { sequence, epoch, code, message, replica } = body.value;
      if (this.#legOf(sequence, epoch, link, 0) === null) return;
      this.#generations.get(sequence)!.broke(ServingError.received(code, message, replica));
    } else if (body.case === 'drain') {
      this.#handOver();
    }
  }

  #sampled(link: CallerLink, sampled: Sampled): void {
    const { sequence, epoch, position, path } = sampled;
    const leg = this.#legOf(sequence, epoch, link, -1);
    if (leg === null) return;
    const step = fromSampledMessage(sampled);
    if (step !== null) leg.receive(position, step, path);
    else this.#generations.get(sequence)!.broke(new ServingError('invalid_frame', 'tokens that do not fit'));
  }

  #lost(link: CallerLink): void {
    const { appId, replica } = link;
    const reason = new ServingError('stream_broken', `lost ${appId}/${replica}`, { replica });
    for (const generation of [...this.#generations.values()]) {
      if (generation.route.includes(link)) generation.broke(reason);
    }
  }

  /** A sequence's leg of this epoch, if the link is the one to that replica of its route. */
  #legOf(id: string, epoch: number, link: CallerLink, at: 0 | -1): Leg | null {
    const leg = this.#generations.get(id)?.legOf(epoch) ?? null;
    return leg?.route.at(at) === link ? leg : null;
  }
}
