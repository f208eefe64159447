import type { ServerResponse } from 'node:http';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { StageTopology, Topology } from '../generation/backend.js';
import type { ReplicaLink } from '../generation/mesh-view.js';
import type { Report } from '../report/report.js';
import { changesBetween, type Change } from './changes.js';
import { LinkRates, type LinkState } from './link-rates.js';
import type { LoadLog } from './load-log.js';
import { NumberedRing } from './numbered-ring.js';
import type { RequestLog } from './request-log.js';

/** The mesh as `/topology/events` tells it, once a second. */
export interface MeshState extends Omit<Topology, 'stages'> {
  /** Unix time, ms. */
  readonly at: number;
  /** The replica id of the gateway that tells it. */
  readonly gateway: string;
  readonly running: number;
  readonly waiting: number;
  readonly stages: readonly (StageTopology & { readonly links: readonly LinkState[] })[];
}

/** A change, and when. */
export type Happened = Change & { readonly at: number };

interface MeshWatchOptions {
  readonly gateway: string;
  readonly topology: () => Topology;
  readonly links: () => readonly ReplicaLink[];
  /** Throws where nothing was measured. */
  readonly report: (seconds: number) => Report;
  readonly counts: () => { readonly running: number; readonly waiting: number };
  readonly load: LoadLog;
  readonly requests: Pick<RequestLog, 'cursor' | 'list' | 'news'>;
}

const TICK_MS = 1_000;
const REPORT_EVERY = 5;
/** Of the report that goes with it, seconds. */
const REPORT_WINDOW = 30;
/** Changes that are kept for who comes, or comes back. */
const KEPT = 256;
const MAX_VIEWERS = 128;
/** What a viewer may owe before it is cut off; it comes back and is told what it missed. */
const MAX_OWED_BYTES = 512 << 10;

const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
};

/**
 * Looks at the mesh once a second and tells everyone who watches: its state, what has changed, the report, the load and the requests.
 * Each look is made and written as text once, however many watch. `close` ends all streams.
 */
export class MeshWatch {
  readonly #options: MeshWatchOptions;
  readonly #viewers = new Set<ServerResponse>();
  /** As text, with their ids. */
  readonly #changes = new NumberedRing<string>(KEPT);
  readonly #moved = new Map<string, number>();
  readonly #rates = new LinkRates();
  readonly #ticking: NodeJS.Timeout;
  #stages: readonly StageTopology[] = [];
  #ticks = 0;
  /** What has ended until then has been told. */
  #toldRequests: string;
  #closed = false;

  constructor(options: MeshWatchOptions) {
    this.#options = options;
    this.#toldRequests = options.requests.cursor;
    this.#ticking = setInterval(() => this.look(), TICK_MS).unref();
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  /** A running sequence left its route. */
  moved(reason: string): void {
    this.#moved.set(reason, (this.#moved.get(reason) ?? 0) + 1);
  }

  /** One look; the clock calls it. */
  look(now = Date.now()): void {
    const { stages } = this.#options.topology();
    const moves = [...this.#moved].map(([reason, count]): Change => ({
      kind: 'sequences_moved',
      reason,
      count,
    }));
    this.#moved.clear();
    for (const change of [...changesBetween(this.#stages, stages), ...moves]) this.#happened(change, now);
    this.#stages = stages;
    const point = this.#options.load.tick(now, () => ({
      ...this.#options.counts(),
      replicas: stages.map(({ replicas }) => replicas.length),
      busy: stages.map(({ replicas }) => mean(replicas.map(({ busy_ratio }) => busy_ratio))),
    }));
    if (this.#viewers.size > 0) {
      const news = this.#options.requests.news(this.#toldRequests);
      const texts = [
        eventText('state', this.#state(now)),
        point !== null && eventText('load', point),
        this.#ticks % REPORT_EVERY === 0 && eventText('report', this.#report()),
        news !== null && eventOf('requests', news),
      ];
      // At once: what a page costs is more the writing than what is written.
      this.#tell(texts.filter((text) => text !== false).join(''));
    } else {
      // A rate is of the time since the last look: who comes next must not be told the mean of an hour.
      this.#rates.look(this.#options.links());
    }
    this.#toldRequests = this.#options.requests.cursor;
    this.#ticks++;
  }

  /**
   * Streams to this response until its client goes or the gateway stops: the state and all requests at once, and the changes after
   * `lastEventId`, or all that are kept where it is not one of ours. Throws `too_many_requests`, and `stage_unavailable` once the
   * gateway stops: who was sent away comes back at once, and a stream that nobody ends would keep it from stopping.
   */
  watch(response: ServerResponse, lastEventId: string | undefined): void {
    if (this.#closed) throw new ServingError('stage_unavailable', 'the gateway is stopping');
    if (this.#viewers.size >= MAX_VIEWERS) {
      throw new ServingError('too_many_requests', `${MAX_VIEWERS} watch this gateway already`);
    }
    const changes = this.#changes.after(lastEventId);
    response.writeHead(200, HEADERS);
    if (changes.missed) response.write(eventText('reset', {}));
    response.write(
      changes.items.join('') +
        eventText('state', this.#state(Date.now())) +
        eventText('report', this.#report()) +
        eventOf('requests', this.#options.requests.list()),
    );
    this.#viewers.add(response);
    response.once('close', () => this.#viewers.delete(response));
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#ticking);
    for (const response of this.#viewers) response.end();
    this.#viewers.clear();
  }

  #happened(change: Change, at: number): void {
    const happened: Happened = { ...change, at };
    this.#tell(this.#changes.add((id) => `id: ${id}\n${eventText('change', happened)}`));
  }

  #tell(text: string): void {
    for (const response of this.#viewers) {
      if (response.destroyed || response.writableLength > MAX_OWED_BYTES) {
        // At once: its `close` comes later, and who writes to it until then is told so by an error.
        this.#viewers.delete(response);
        response.destroy();
      } else {
        response.write(text);
      }
    }
  }

  #state(at: number): MeshState {
    const { gateway, topology, links, counts } = this.#options;
    const told = topology();
    const states = this.#rates.look(links());
    return {
      at,
      gateway,
      ...told,
      ...counts(),
      stages: told.stages.map((stage) => ({ ...stage, links: states.get(stage.app_id) ?? [] })),
    };
  }

  /** Null where nothing was measured of late. */
  #report(): Report | null {
    try {
      return this.#options.report(REPORT_WINDOW);
    } catch (error) {
      if (ServingError.from(error).code === 'nothing_measured') return null;
      throw error;
    }
  }
}

const eventOf = (event: string, json: string): string => `event: ${event}\ndata: ${json}\n\n`;

const eventText = (event: string, data: unknown): string => eventOf(event, JSON.stringify(data));

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : Math.round((values.reduce((a, b) => a + b, 0) / values.length) * 1000) / 1000;
