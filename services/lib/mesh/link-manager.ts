import { setTimeout as delay } from 'node:timers/promises';
import { SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import { ServingError } from '../errors/serving-error.js';
import { ATTRIBUTES, SPANS } from '../telemetry/names.js';
import { traceparentOf } from '../telemetry/trace-context.js';
import type { Message } from '../wire/gen/stage_pb.js';
import { announcedPlan, difference, type AnnouncedPlan, type Identity } from './identity.js';
import { connect, type CallerLink, type CallerLinkEvents } from './caller-link.js';
import type { Mesh, ReplicaRecord } from './types.js';

export interface LinkManagerOptions {
  readonly mesh: Mesh;
  readonly identity: Identity;
  /** Whose replicas to hold links to. */
  readonly appId: string;
  onMessage(link: CallerLink, message: Message): void;
  onUp?(link: CallerLink): void;
  onDown(link: CallerLink, reason: ServingError): void;
  onRoom?(link: CallerLink): void;
  onRoundTrip?(seconds: number): void;
  /** Each link that is opened has a trace of its own, which the sidecars' spans join. */
  readonly tracer?: Tracer;
  /** How long the registry may fail before that is told, ms. */
  readonly unlistedMs?: number;
  /** Something did not work and is tried again; for a log. */
  onTrouble?(reason: unknown): void;
  /** Once for each listed replica that serves another plan: what of it differs. No link to it is tried. */
  onMisfit?(replica: string, difference: string): void;
}

/** While a listed replica is missing, and while none is. */
const SEARCH_PAUSE_MS = 100;
const WATCH_PAUSE_MS = 500;
const MAX_SEARCH_PAUSE_MS = 1_000;

/** A store that is busy, or restarts, is no trouble yet. */
const UNLISTED_MS = 5_000;

/** Opens per look at the registry: enough to find the last of several replicas by Dapr's random choice. */
const OPENS_PER_LOOK = 4;

/**
 * Holds one link to every live replica of an app-id, as replicas come and go.
 *
 * Through Dapr a stream reaches a replica of Dapr's choice, so missing ones are found by opening streams
 * until all listed replicas have been met; doubles are closed at once.
 */
export class LinkManager {
  readonly #options: LinkManagerOptions;
  readonly #links = new Map<string, CallerLink>();
  readonly #plan: AnnouncedPlan;
  /** By replica: what of its plan differs from ours. */
  #misfits: ReadonlyMap<string, string> = new Map();
  readonly #stopped = new AbortController();
  #unlisted: { readonly since: number; readonly reason: string } | null = null;
  readonly #running: Promise<void>;

  constructor(options: LinkManagerOptions) {
    this.#options = options;
    this.#plan = announcedPlan(options.identity.plan);
    this.#running = this.#run();
  }

  get links(): CallerLink[] {
    return [...this.#links.values()];
  }

  /** Why replicas that come would not be found, once that has lasted for some seconds; else null. */
  get registryTrouble(): string | null {
    const { unlistedMs = UNLISTED_MS } = this.#options;
    if (this.#unlisted === null || performance.now() - this.#unlisted.since < unlistedMs) return null;
    return `the registry cannot be reached: ${this.#unlisted.reason}`;
  }

  get(replica: string): CallerLink | undefined {
    return this.#links.get(replica);
  }

  /** Why replicas that are there are of no use to us, such as `stage-1 has split 8,20 instead of 10,20`. */
  get disagreements(): string[] {
    const differences = new Set(this.#misfits.values());
    return [...differences].map((each) => `${this.#options.appId} has ${each}`);
  }

  /** Ends all links; `onDown` is not called for what we end ourselves. */
  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
    const links = this.links;
    this.#links.clear();
    for (const link of links) link.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    let pause = SEARCH_PAUSE_MS;
    while (!signal.aborted) {
      const complete = await this.#look().catch((reason: unknown) => {
        this.#options.onTrouble?.(reason);
        return false;
      });
      pause = complete ? WATCH_PAUSE_MS : Math.min(pause * 1.5, MAX_SEARCH_PAUSE_MS);
      await delay(pause, undefined, { signal, ref: false }).catch(() => undefined);
      if (complete) pause = SEARCH_PAUSE_MS;
    }
  }

  /** Opens links to listed replicas that have none; true when none is missing. */
  async #look(): Promise<boolean> {
    const listed = await this.#list();
    const wanted = this.#withoutMisfits(listed.filter(({ draining }) => !draining));
    const missing = (): ReplicaRecord[] => wanted.filter(({ replica }) => !this.#links.has(replica));
    for (let opens = 0; opens < OPENS_PER_LOOK && !this.#stopped.signal.aborted; opens++) {
      const left = missing();
      if (left.length === 0) break;
      // In turn, so that one which does not answer keeps us from no other.
      await this.#open(left[opens % left.length]!).catch((reason: unknown) =>
        this.#options.onTrouble?.(reason),
      );
    }
    return missing().length === 0;
  }

  async #list(): Promise<ReplicaRecord[]> {
    try {
      const listed = await this.#options.mesh.registry.list(this.#options.appId);
      this.#unlisted = null;
      return listed;
    } catch (error) {
      const since = this.#unlisted?.since ?? performance.now();
      this.#unlisted = { since, reason: ServingError.from(error).message };
      throw error;
    }
  }

  /** Those that may serve our plan; of the others it is noted what differs. */
  #withoutMisfits(records: readonly ReplicaRecord[]): ReplicaRecord[] {
    const before = this.#misfits;
    const misfits = new Map<string, string>();
    for (const { replica, plan } of records) {
      const differs = plan && difference(plan, this.#plan);
      if (!differs) continue;
      misfits.set(replica, differs);
      if (before.get(replica) !== differs) this.#options.onMisfit?.(replica, differs);
    }
    this.#misfits = misfits;
    return records.filter(({ replica }) => !misfits.has(replica));
  }

  async #open(wanted: ReplicaRecord): Promise<void> {
    const span = this.#options.tracer?.startSpan(SPANS.link, { kind: SpanKind.CLIENT, root: true });
    try {
      const link = await this.#connect(wanted, span && traceparentOf(span.spanContext()));
      span?.setAttribute(ATTRIBUTES.linkTo, `${link.appId}/${link.replica}`);
      this.#keep(link);
    } catch (error) {
      span?.setStatus({ code: SpanStatusCode.ERROR, message: ServingError.from(error).message });
      throw error;
    } finally {
      span?.end();
    }
  }

  #connect(wanted: ReplicaRecord, traceparent = ''): Promise<CallerLink> {
    const options = this.#options;
    const events: CallerLinkEvents = {
      onMessage: (from, message) => options.onMessage(from, message),
      onEnd: (ended, reason) => this.#down(ended, reason),
      onRoom: (from) => options.onRoom?.(from),
      onRoundTrip: (seconds) => options.onRoundTrip?.(seconds),
    };
    const stream = options.mesh.open(wanted, traceparent);
    return connect(stream, options.identity, events, { traceparent });
  }

  #keep(link: CallerLink): void {
    if (!link.alive) return; // It ended in the moment of its welcome, when nobody could be told.
    if (this.#links.has(link.replica) || this.#stopped.signal.aborted) {
      link.close();
      return;
    }
    this.#links.set(link.replica, link);
    this.#options.onUp?.(link);
  }

  #down(link: CallerLink, reason: ServingError): void {
    if (this.#links.get(link.replica) !== link) return;
    this.#links.delete(link.replica);
    this.#options.onDown(link, reason);
  }
}
