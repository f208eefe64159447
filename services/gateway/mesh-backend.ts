import { setTimeout as delay } from 'node:timers/promises';
import type { Tracer } from '@opentelemetry/api';
import { ServingError } from '../lib/errors/serving-error.js';
import type { CallerLink } from '../lib/mesh/caller-link.js';
import type { Identity } from '../lib/mesh/identity.js';
import { LinkManager } from '../lib/mesh/link-manager.js';
import type { Mesh } from '../lib/mesh/types.js';
import type { LayerRange } from '../lib/model/layer-range.js';
import { ownsHead } from '../lib/model/layer-range.js';
import type { Logger } from '../lib/telemetry/log.js';
import type { Message } from '../lib/wire/gen/stage_pb.js';
import { PREFIX_BLOCK, prefixBlocks } from '../lib/wire/prefix-blocks.js';
import type { Backend, GenerateRequest, Generation, Topology } from './backend.js';
import { Drafter, type SpeculationMetrics } from './drafter.js';
import { GatewaySequence } from './gateway-sequence.js';
import { Outbox } from './outbox.js';
import { PrefixIndex } from './prefix-index.js';
import { NO_STEPS, type ReplicaTotals } from './report/totals-log.js';
import { loadOf, pickRoute } from './router.js';

export interface MeshBackendOptions {
  readonly mesh: Mesh;
  readonly identity: Identity;
  readonly model: string;
  readonly ranges: readonly LayerRange[];
  /** Rows of one prefill chunk. */
  readonly prefillChunk: number;
  readonly stepTimeoutMs: number;
  /** Counts what is drafted; null where nothing is to be. */
  readonly speculation: SpeculationMetrics | null;
  /** Whether stages are asked to keep what a sequence began with, for the next that begins alike. */
  readonly prefixCache: boolean;
  readonly log: Logger;
  readonly tracer?: Tracer;
}

/** Routes that are tried before a sequence is refused: a replica may have gone since the router looked. */
const MAX_ROUTES = 3;
const RETRY_PAUSE_MS = 100;
/** What a replica counts as running when a route over it has just failed: more than any that has not been tried. */
const TRIED_LOAD = 1e6;

/** Runs sequences over the mesh: a link to every replica of every stage, a route for each sequence. */
export class MeshBackend implements Backend {
  readonly #options: MeshBackendOptions;
  readonly #stages: readonly LinkManager[];
  readonly #sequences = new Map<string, GatewaySequence>();
  readonly #outbox = new Outbox();
  readonly #prefixes = new PrefixIndex<CallerLink>();
  #count = 0;
  #draining = false;

  constructor(options: MeshBackendOptions) {
    this.#options = options;
    this.#stages = options.ranges.map((_, index) => this.#linkTo(`stage-${index}`));
  }

  async generate(request: GenerateRequest, signal: AbortSignal): Promise<Generation> {
    const id = `${this.#options.identity.replica}-${++this.#count}`;
    const tried = new Set<CallerLink>();
    // The prompt's last token is always computed: its logits are what the first token is sampled from.
    const prefix = this.#options.prefixCache ? prefixBlocks(request.prompt.slice(0, -1)) : null;
    for (let epoch = 1; ; epoch++) {
      signal.throwIfAborted();
      try {
        const route = pickRoute(
          this.#stages.map((stage) => stage.links),
          (link) =>
            loadOf(
              this.#running(link) + (tried.has(link) ? TRIED_LOAD : 0),
              this.#prefixes.held(link, prefix ?? []) * PREFIX_BLOCK,
            ),
        );
        for (const link of route) tried.add(link);
        return await this.#open(id, epoch, route, request, prefix, signal);
      } catch (error) {
        const { code } = ServingError.from(error);
        const gone = code === 'stage_unavailable' || code === 'stream_broken';
        if (!gone || epoch === MAX_ROUTES) throw error;
        await delay(RETRY_PAUSE_MS, undefined, { signal });
      }
    }
  }

  async #open(
    id: string,
    epoch: number,
    route: readonly CallerLink[],
    request: GenerateRequest,
    prefix: readonly string[] | null,
    signal: AbortSignal,
  ): Promise<Generation> {
    const { speculation } = this.#options;
    const sequence = new GatewaySequence({
      id,
      epoch,
      route,
      request,
      gateway: this.#options.identity.replica,
      outbox: this.#outbox,
      prefillChunk: this.#options.prefillChunk,
      drafter: speculation && new Drafter(request, speculation, () => this.#sequences.size),
      stepTimeoutMs: this.#options.stepTimeoutMs,
      prefix,
      onDone: (kept) => {
        if (this.#sequences.get(id) === sequence) this.#sequences.delete(id);
        for (const link of route) this.#prefixes.note(link, kept, kept.length);
      },
    });
    this.#sequences.set(id, sequence);
    const cachedTokens = await sequence.open(signal);
    for (const link of route) this.#prefixes.note(link, prefix ?? [], cachedTokens / PREFIX_BLOCK);
    return {
      route: route.map(({ appId, replica }) => `${appId}/${replica}`).join('>'),
      cachedTokens,
      tokens: sequence.tokens,
    };
  }

  notReadyReason(): string | null {
    if (this.#draining) return 'the gateway is stopping';
    try {
      pickRoute(
        this.#stages.map((stage) => stage.links),
        () => 0,
      );
      return null;
    } catch (error) {
      return ServingError.from(error).message;
    }
  }

  topology(): Topology {
    const { model, identity, ranges } = this.#options;
    return {
      model,
      precision: identity.plan.precision,
      split: identity.plan.split,
      stages: ranges.map((range, index) => ({
        app_id: `stage-${index}`,
        start: range.start,
        end: range.end,
        head: ownsHead(range),
        replicas: this.#stages[index]!.links.map(({ replica, host, pid, draining, status }) => ({
          id: replica,
          host,
          pid,
          state: draining ? 'draining' : 'ready',
          sequences: status.sequences,
          kv_used: status.kvUsed,
          kv_capacity: status.kvCapacity,
          busy_ratio: status.busyRatio,
          rss_bytes: status.rssBytes,
        })),
      })),
    };
  }

  /** What every replica has done so far, as it last told. */
  totals(): ReplicaTotals[] {
    return this.#stages.flatMap(({ links }) =>
      links.map(({ appId, replica, status }) => ({
        appId,
        replica,
        processors: { owner: status.ownProcessors, count: status.processorCount },
        prefill: status.prefill ?? NO_STEPS,
        decode: status.decode ?? NO_STEPS,
      })),
    );
  }

  /** Not ready from now on, so that nobody sends more; what is asked nevertheless is still answered. */
  drain(): void {
    this.#draining = true;
  }

  /** Ends what still runs, and all links. */
  async close(): Promise<void> {
    for (const sequence of [...this.#sequences.values()]) {
      sequence.fail(new ServingError('stage_unavailable', 'the gateway is stopping'));
    }
    await Promise.all(this.#stages.map((stage) => stage.close()));
  }

  #running(link: CallerLink): number {
    return [...this.#sequences.values()].filter((sequence) => sequence.route.includes(link)).length;
  }

  #linkTo(appId: string): LinkManager {
    const { mesh, identity, log, tracer } = this.#options;
    return new LinkManager({
      mesh,
      identity,
      ...(tracer && { tracer }),
      appId,
      onUp: ({ replica }) => log.info({ to: `${appId}/${replica}` }, 'link up'),
      onDown: (link, reason) => {
        log.warn({ to: `${appId}/${link.replica}`, reason: reason.message }, 'link down');
        this.#lost(link);
      },
      onMessage: (_link, message) => this.#receive(message),
      onTrouble: (reason) =>
        log.debug({ appId, reason: ServingError.from(reason).message }, 'link not opened'),
    });
  }

  #receive({ body }: Message): void {
    if (body.case === 'tokens') {
      for (const { sequence, epoch, position, tokens, path } of body.value.sampled) {
        this.#find(sequence, epoch)?.receive(position, tokens, path);
      }
    } else if (body.case === 'opened') {
      this.#find(body.value.sequence, body.value.epoch)?.agreed(body.value.cachedTokens);
    } else if (body.case === 'failed') {
      const { sequence, epoch, code, message } = body.value;
      this.#find(sequence, epoch)?.fail(ServingError.received(code, message));
    }
  }

  #lost(link: CallerLink): void {
    const reason = new ServingError('stream_broken', `lost ${link.appId}/${link.replica}`);
    for (const sequence of [...this.#sequences.values()]) {
      if (sequence.route.includes(link)) sequence.fail(reason);
    }
  }

  #find(id: string, epoch: number): GatewaySequence | undefined {
    const found = this.#sequences.get(id);
    return found?.epoch === epoch ? found : undefined;
  }
}
