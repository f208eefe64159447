import { setTimeout as delay } from 'node:timers/promises';
import { SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import { ServingError } from '../errors/serving-error.js';
import { ATTRIBUTES, SPANS } from '../telemetry/names.js';
import { traceparentOf } from '../telemetry/trace-context.js';
import type { Hello, Message } from '../wire/gen/stage_pb.js';
import { announcedPlan, misfitOfRecord, type AnnouncedPlan, type Identity } from './identity.js';
import { connect, type CallerLink, type CallerLinkEvents } from './caller-link.js';
import { slownessOf } from './registry.js';
import type { Mesh, MessageStream, ReplicaRecord } from './types.js';

export interface LinkManagerOptions {
  readonly mesh: Mesh;
  readonly identity: Identity;
  /** Whose replicas to hold links to. */
  readonly appId: string;
  onMessage(link: CallerLink, message: Message): void;
  onUp?(link: CallerLink): void;
  onDown(link: CallerLink, reason: ServingError): void;
  onRoom?(link: CallerLink): void;
  /** A replica holds links to others than before. */
  onNews?(link: CallerLink): void;
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

/**
 * Opens per look at the registry: enough to find the last of several replicas by Dapr's random choice; of many, the more
 * as they are looked for the less often.
 */
const OPENS_PER_LOOK = 4;

/**
 * A replica that comes after us opens links itself (invite-callers.ts): its sidecar asks for names that ours has not
 * heard of yet. So long it is not looked for; one that was there before us, or whose link has broken, is at once.
 */
const NEWCOMER_MS = 2_000;

/** Invitations that are being answered at once. */
const MAX_ANSWERING = 64;

/**
 * Holds one link to every live replica of an app-id, as replicas come and go.
 *
 * Replicas that come invite us. Others are looked for: through Dapr a stream reaches a replica of Dapr's choice, so
 * missing ones are found by opening streams until all listed replicas have been met. Whichever link was there first
 * stays, and doubles are closed at once.
 */
export class LinkManager {
  readonly #options: LinkManagerOptions;
  readonly #links = new Map<string, CallerLink>();
  /** Replicas that we are about to call where they asked for it. */
  readonly #answering = new Set<string>();
  /** When each listed replica was first seen, ms; those of the first look have been there before us. */
  #listedAt: ReadonlyMap<string, number> | null = null;
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

  /** A replica has opened a stream to us: calls it there, unless there is a link to it already. */
  async invited(stream: MessageStream, { appId, replica, traceparent }: Hello): Promise<void> {
    if (appId !== this.#options.appId) {
      stream.end(new ServingError('protocol_mismatch', `nobody calls ${appId} here`));
      return;
    }
    const isKnown = this.#links.has(replica) || this.#answering.has(replica);
    if (isKnown || this.#answering.size >= MAX_ANSWERING || this.#stopped.signal.aborted) {
      stream.end();
      return;
    }
    this.#answering.add(replica);
    try {
      const link = await connect(stream, this.#options.identity, this.#events, { traceparent });
      this.#answering.delete(replica);
      this.#keep(link);
    } catch (reason) {
      this.#options.onTrouble?.(reason);
    } finally {
      this.#answering.delete(replica);
    }
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
      // Of many replicas the document is long, and many callers read it.
      const slowness = slownessOf(this.#listedAt?.size ?? 0);
      pause = complete ? WATCH_PAUSE_MS * slowness : Math.min(pause * 1.5, MAX_SEARCH_PAUSE_MS * slowness);
      await delay(pause, undefined, { signal, ref: false }).catch(() => undefined);
      if (complete) pause = SEARCH_PAUSE_MS;
    }
  }

  /** Opens links to listed replicas that have none; true when none is missing. */
  async #look(): Promise<boolean> {
    const listed = await this.#list();
    const newcomers = this.#newcomersOf(listed);
    const wanted = this.#withoutMisfits(listed.filter(({ draining }) => !draining)).filter(
      ({ replica }) => !newcomers.has(replica),
    );
    const missing = (): ReplicaRecord[] => wanted.filter(({ replica }) => !this.#links.has(replica));
    const most = OPENS_PER_LOOK * slownessOf(listed.length);
    for (let opens = 0; opens < most && !this.#stopped.signal.aborted; opens++) {
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

  /** Those that still have time to come to us by themselves. */
  #newcomersOf(listed: readonly ReplicaRecord[]): ReadonlySet<string> {
    const now = performance.now();
    const before = this.#listedAt;
    const listedAt = new Map(
      listed.map(({ replica }) => [replica, before === null ? -Infinity : (before.get(replica) ?? now)]),
    );
    this.#listedAt = listedAt;
    return new Set([...listedAt].flatMap(([replica, at]) => (now - at < NEWCOMER_MS ? [replica] : [])));
  }

  /** Those that may serve our plan; of the others it is noted what differs. */
  #withoutMisfits(records: readonly ReplicaRecord[]): ReplicaRecord[] {
    const before = this.#misfits;
    const misfits = new Map<string, string>();
    for (const record of records) {
      const { replica } = record;
      const differs = misfitOfRecord(record, this.#plan);
      if (differs === null) continue;
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
    const { mesh, identity } = this.#options;
    return connect(mesh.open(wanted, traceparent), identity, this.#events, { traceparent });
  }

  readonly #events: CallerLinkEvents = {
    onMessage: (from, message) => this.#options.onMessage(from, message),
    onEnd: (ended, reason) => this.#down(ended, reason),
    onRoom: (from) => this.#options.onRoom?.(from),
    onNews: (from) => this.#options.onNews?.(from),
    onRoundTrip: (seconds) => this.#options.onRoundTrip?.(seconds),
  };

  #keep(link: CallerLink): void {
    if (!link.alive) return; // It ended in the moment of its welcome, when nobody could be told.
    const isDouble = this.#links.has(link.replica) || this.#answering.has(link.replica);
    if (isDouble || this.#stopped.signal.aborted) {
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
