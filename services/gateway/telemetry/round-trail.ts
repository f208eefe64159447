import type { Hop, Phase, Round, ChunkTook, StageTook } from './rounds.js';

/** A round as a waterfall shows it. Milliseconds; `start_ms` since the request came. */
export interface RoundView {
  readonly phase: Phase;
  /** Which of the sequence's routes it took, counted from 0. */
  readonly route: number;
  readonly start_ms: number;
  readonly total_ms: number;
  /** More than one where guesses were right. */
  readonly tokens: number;
  /** By each stage's own clock, in the order of the route; what is left of `total_ms` was on the way. */
  readonly stages: readonly StageView[];
}

export interface StageView {
  readonly queue_ms: number;
  readonly compute_ms: number;
  /** Of a prompt that went in several: those before the last, the first of them first. */
  readonly chunks?: readonly ChunkView[];
}

/** A chunk of a prompt, which ended so long before the last one did. */
export interface ChunkView {
  readonly rows: number;
  readonly compute_ms: number;
  readonly ago_ms: number;
}

export interface RouteView {
  readonly start_ms: number;
  readonly hops: readonly Hop[];
  /** Why the one before was left; null of the first. */
  readonly reason: string | null;
}

/** What is kept of one sequence. */
export interface TrailView {
  readonly routes: readonly RouteView[];
  readonly rounds: readonly RoundView[];
  /** Rounds in the middle that were not kept. */
  readonly skipped_rounds: number;
}

/** Rounds kept of a sequence's beginning, and as many of its end. */
const KEPT = 64;
const MAX_ROUTES = 16;

/** The rounds of one sequence, the first and the last of them, and the routes that it took. Bounded, however long it runs. */
export class RoundTrail {
  readonly #first: RoundView[] = [];
  readonly #last: RoundView[] = [];
  readonly #routes: RouteView[] = [];
  #routeCount = 0;
  #skipped = 0;
  #reason: string | null = null;

  /** It leaves its route, for this reason. */
  left(reason: string): void {
    this.#reason = reason;
  }

  routed(hops: readonly Hop[], startMs: number): void {
    // The links themselves live as long as the mesh, and hold much more.
    const names = hops.map(({ appId, replica }) => ({ appId, replica }));
    if (this.#routes.length === MAX_ROUTES) this.#routes.splice(1, 1);
    this.#routes.push({ start_ms: rounded(startMs), hops: names, reason: this.#reason });
    this.#routeCount++;
    this.#reason = null;
  }

  add({ phase, roundTrip, tokens, path }: Round, startMs: number): void {
    const view: RoundView = {
      phase,
      route: this.#routeCount - 1,
      start_ms: rounded(startMs),
      total_ms: toMs(roundTrip),
      tokens,
      stages: path.map(stageView),
    };
    if (this.#first.length < KEPT) {
      this.#first.push(view);
      return;
    }
    this.#last.push(view);
    if (this.#last.length <= KEPT) return;
    this.#last.shift();
    this.#skipped++;
  }

  get reroutes(): number {
    return Math.max(0, this.#routeCount - 1);
  }

  view(): TrailView {
    const rounds = [...this.#first, ...this.#last];
    const dropped = this.#routeCount - this.#routes.length;
    return {
      routes: [...this.#routes],
      rounds: rounds.map((round) => ({ ...round, route: Math.max(0, round.route - dropped) })),
      skipped_rounds: this.#skipped,
    };
  }
}

const stageView = ({ queue, compute, chunks }: StageTook): StageView => ({
  queue_ms: toMs(queue),
  compute_ms: toMs(compute),
  ...(chunks !== undefined && { chunks: chunks.map(chunkView) }),
});

const chunkView = ({ rows, compute, ago }: ChunkTook): ChunkView => ({
  rows,
  compute_ms: toMs(compute),
  ago_ms: toMs(ago),
});

const toMs = (seconds: number): number => rounded(seconds * 1000);
const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;
