import type { Span, SpanContext, Tracer } from '@opentelemetry/api';
import type { StageTime } from '../../lib/wire/gen/stage_pb.js';
import { ATTRIBUTES, SPANS } from '../../lib/telemetry/names.js';
import { isSampled, traceparentOf, under } from '../../lib/telemetry/trace-context.js';

export type Phase = 'prefill' | 'decode';

/** One replica on a sequence's route. */
export interface Hop {
  readonly appId: string;
  readonly replica: string;
}

/** A question to the mesh and its answer. Milliseconds. */
export interface Round {
  readonly phase: Phase;
  readonly route: readonly Hop[];
  readonly roundTrip: number;
  /** What had passed before it, of a request's first one. */
  readonly before: number;
  /** What each stage of the route took of it; the rest was on the way. */
  readonly path: readonly StageTimes[];
  readonly tokens: number;
}

export interface StageTimes {
  readonly queue: number;
  readonly compute: number;
}

/** Sums over the rounds of a phase, milliseconds. */
export interface PhaseTimes {
  readonly roundTrip: number;
  readonly rounds: number;
  readonly stages: readonly StageTimes[];
}

/** Milliseconds. */
export interface SequenceTimes extends Readonly<Record<Phase, PhaseTimes>> {
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

interface MutablePhase {
  roundTrip: number;
  rounds: number;
  stages: { queue: number; compute: number }[];
  span: Span | null;
}

/**
 * Where the time of one sequence goes, as its gateway sees it: rounds through the mesh, each with what the stages
 * took of it by their own clocks, and the pauses between them, in which the gateway or its client had the token.
 * The first token's round is the prefill; all after it, a replay of the prompt on another route too, are decoding.
 */
export class SequenceTrace {
  readonly #options: SequenceTraceOptions;
  readonly #phases: Record<Phase, MutablePhase> = { prefill: newPhase(), decode: newPhase() };
  #route: readonly Hop[] = [];
  /** Since when it waits for tokens, or for a route to ask for them. */
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
  }

  /** Tokens are wanted: from now on whatever passes is not the gateway's or its client's. */
  wanted(): void {
    if (this.#waiting !== null) return;
    const now = performance.now();
    if (this.#answered !== null) this.#pauses += now - this.#answered;
    this.#waiting = now;
  }

  /**
   * They are asked for, by all rows that the route does not have yet or by the last one. Returns the id of the span
   * that the stages' spans belong under, or ''.
   */
  asked(feeds: 'prompt' | 'token'): string {
    const now = performance.now();
    // Anything but a moment means that there was no route, or that one has broken.
    this.#rerouting += now - (this.#waiting ?? now);
    this.#waiting = now;
    const phase = this.#phases[this.#phase];
    phase.span ??= this.#start(this.#phase);
    const { decodeInterval, parent } = this.#options;
    const seen = isSampled(parent) && (feeds === 'prompt' || phase.rounds % decodeInterval === 0);
    return seen ? phase.span.spanContext().spanId : '';
  }

  answered(path: readonly StageTime[], tokens: number): void {
    const now = performance.now();
    const asked = this.#waiting ?? now;
    const phase = this.#phase;
    const times = path.map(({ queue, compute }) => ({ queue: queue / 1000, compute: compute / 1000 }));
    const roundTrip = now - asked;
    const before = phase === 'prefill' ? asked - this.#options.arrived : 0;
    this.#book(this.#phases[phase], roundTrip, times);
    this.#options.onRound({ phase, route: this.#route, roundTrip, before, path: times, tokens });
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
    const { prefill, decode } = this.#phases;
    const sinceLast = this.#answered === null ? null : performance.now() - this.#answered;
    const pauses = this.#pauses + (sinceLast ?? 0);
    return { route: this.#route, pauses, rerouting: this.#rerouting, sinceLast, prefill, decode };
  }

  get #phase(): Phase {
    return this.#answered === null ? 'prefill' : 'decode';
  }

  #book(phase: MutablePhase, roundTrip: number, times: readonly StageTimes[]): void {
    phase.roundTrip += roundTrip;
    phase.rounds += 1;
    for (const [stage, { queue, compute }] of times.entries()) {
      const sum = (phase.stages[stage] ??= { queue: 0, compute: 0 });
      sum.queue += queue;
      sum.compute += compute;
    }
  }

  #start(phase: Phase): Span {
    const { tracer, parent } = this.#options;
    return tracer.startSpan(SPANS[phase], {}, under(parent, parent.spanId));
  }

  #end(name: Phase): void {
    const phase = this.#phases[name];
    phase.span?.setAttribute(ATTRIBUTES.rounds, phase.rounds).end();
    phase.span = null;
  }
}

const newPhase = (): MutablePhase => ({ roundTrip: 0, rounds: 0, stages: [], span: null });
