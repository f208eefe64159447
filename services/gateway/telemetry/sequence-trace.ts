import type { Span, SpanContext, Tracer } from '@opentelemetry/api';
import { MAX_CHUNKS } from '../../lib/wire/frames.js';
import type { ChunkTime, StageTime } from '../../lib/wire/gen/stage_pb.js';
import { ATTRIBUTES, SPANS } from '../../lib/telemetry/names.js';
import { isSampled, traceparentOf, under } from '../../lib/telemetry/trace-context.js';
import { RoundTrail } from './round-trail.js';
import { RoundSums, type Hop, type Phase, type Round, type ChunkTook, type StageTook } from './rounds.js';

/** Seconds. */
export interface SequenceTimes extends Readonly<Record<Phase, RoundSums>> {
  /** The last one, where it has had several. */
  readonly route: readonly Hop[];
  /** In which the gateway, or its client, had the token. */
  readonly pauses: number;
  /** Waiting in vain for routes that broke, and for others. */
  readonly rerouting: number;
  /** Since the last answer; null where there was none. */
  readonly sinceLast: number | null;
}

export interface SequenceTraceOptions {
  readonly tracer: Tracer;
  /** Of the request's inference, under which everything of this sequence belongs. */
  readonly parent: SpanContext;
  /** The reading of `performance.now()` when the request came. */
  readonly arrived: number;
  /** Every nth round of decoding has a span in each stage. */
  readonly decodeInterval: number;
  readonly onRound: (round: Round) => void;
}

/**
 * Where the time of one sequence goes, as its gateway sees it: rounds through the mesh, each with what the stages
 * took of it by their own clocks, and the pauses between them, in which the gateway or its client had the token.
 * The first token's round is the prefill; all after it, a replay of the prompt on another route too, are decoding.
 */
export class SequenceTrace {
  /** What is kept of its rounds, one by one. */
  readonly trail = new RoundTrail();
  readonly #options: SequenceTraceOptions;
  readonly #rounds = { prefill: new RoundSums(), decode: new RoundSums() };
  readonly #spans = new Map<Phase, Span>();
  #route: readonly Hop[] = [];
  /** Since when it waits for tokens, or for a route to ask for them; readings of `performance.now()`. */
  #waiting: number | null = null;
  #answered: number | null = null;
  #pauses = 0;
  #rerouting = 0;

  constructor(options: SequenceTraceOptions) {
    this.#options = options;
  }

  /** For `Open`; empty where the request is not traced. */
  get traceparent(): string {
    const { parent } = this.#options;
    return isSampled(parent) ? traceparentOf(parent) : '';
  }

  /** From now on rounds go over this route. */
  routed(route: readonly Hop[]): void {
    this.#route = route;
    this.trail.routed(route, performance.now() - this.#options.arrived);
  }

  /** Tokens are wanted: from now on whatever passes is not the gateway's or its client's. */
  wanted(): void {
    if (this.#waiting !== null) return;
    const now = performance.now();
    if (this.#answered !== null) this.#pauses += (now - this.#answered) / 1000;
    this.#waiting = now;
  }

  /**
   * They are asked for, by all rows that the route does not have yet or by the last one. Returns the id of the span
   * that the stages' spans belong under, or ''.
   */
  asked(feeds: 'prompt' | 'token'): string {
    const now = performance.now();
    // Anything but a moment means that there was no route, or that one has broken.
    this.#rerouting += (now - (this.#waiting ?? now)) / 1000;
    this.#waiting = now;
    const phase = this.#phase;
    const span = this.#spans.get(phase) ?? this.#start(phase);
    const { decodeInterval, parent } = this.#options;
    const isNth = this.#rounds[phase].rounds % decodeInterval === 0;
    return isSampled(parent) && (feeds === 'prompt' || isNth) ? span.spanContext().spanId : '';
  }

  answered(path: readonly StageTime[], tokens: number): void {
    const now = performance.now();
    const asked = this.#waiting ?? now;
    const phase = this.#phase;
    const round: Round = {
      phase,
      route: this.#route,
      roundTrip: (now - asked) / 1000,
      before: phase === 'prefill' ? (asked - this.#options.arrived) / 1000 : 0,
      path: path.map(tookOf),
      tokens,
    };
    this.#rounds[phase].add(round);
    this.trail.add(round, asked - this.#options.arrived);
    this.#options.onRound(round);
    if (phase === 'prefill') this.#end('prefill');
    this.#waiting = null;
    this.#answered = now;
  }

  /** No more rounds. */
  end(): void {
    this.#end('prefill');
    this.#end('decode');
  }

  /** Of the answered rounds. */
  times(): SequenceTimes {
    const sinceLast = this.#answered === null ? null : (performance.now() - this.#answered) / 1000;
    const pauses = this.#pauses + (sinceLast ?? 0);
    return { ...this.#rounds, route: this.#route, pauses, rerouting: this.#rerouting, sinceLast };
  }

  get #phase(): Phase {
    return this.#answered === null ? 'prefill' : 'decode';
  }

  #start(phase: Phase): Span {
    const { tracer, parent } = this.#options;
    const span = tracer.startSpan(SPANS[phase], {}, under(parent, parent.spanId));
    this.#spans.set(phase, span);
    return span;
  }

  #end(phase: Phase): void {
    this.#spans.get(phase)?.setAttribute(ATTRIBUTES.rounds, this.#rounds[phase].rounds).end();
    this.#spans.delete(phase);
  }
}

/** Microseconds, as they come, are seconds here. Chunks nearly no round has. */
const tookOf = ({ queue, compute, chunks }: StageTime): StageTook => ({
  queue: queue / 1e6,
  compute: compute / 1e6,
  ...(chunks.length > 0 && { chunks: chunks.slice(-MAX_CHUNKS).map(chunkOf) }),
});

const chunkOf = ({ rows, compute, ago }: ChunkTime): ChunkTook => ({
  rows,
  compute: compute / 1e6,
  ago: ago / 1e6,
});
