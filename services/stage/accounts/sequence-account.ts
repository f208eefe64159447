import { SpanKind, SpanStatusCode, trace, type Attributes, type Span, type Tracer } from '@opentelemetry/api';
import type { ServingError } from '../../lib/errors/serving-error.js';
import { ATTRIBUTES, SPANS } from '../../lib/telemetry/names.js';
import { contextOf, traceparentOf, under } from '../../lib/telemetry/trace-context.js';
import { MAX_CHUNKS } from '../../lib/wire/frames.js';
import type { Open } from '../../lib/wire/gen/stage_pb.js';
import type { Phase } from '../scheduling/work-queue.js';

/** When rows came, and how long their sequence had been computed by then. */
export interface Arrival {
  readonly at: number;
  readonly computed: number;
}

/** A chunk of a prompt that was computed before the prompt's end, and how long before; seconds. */
export interface ChunkTime {
  readonly rows: number;
  readonly compute: number;
  readonly ago: number;
}

const NO_CHUNKS: readonly ChunkTime[] = [];

/**
 * How long one sequence has been computed in this stage, so that the rest of the time in which its rows are here is
 * known as waiting; and its spans, null where it is not traced. Pure: times are passed in, seconds.
 */
export class SequenceAccount {
  readonly spans: SequenceSpans | null;
  #computed = 0;
  #began: number | null = null;
  #ended = -Infinity;
  /** Of the prompt that is being computed. */
  #chunks: { readonly rows: number; readonly compute: number; readonly ended: number }[] = [];

  constructor(spans: SequenceSpans | null) {
    this.spans = spans;
  }

  /** A step with rows of the sequence begins. */
  begin(now: number): void {
    this.#began = now;
  }

  /** The step with its rows is over. */
  end(now: number): void {
    this.#computed += now - (this.#began ?? now);
    this.#began = null;
    this.#ended = now;
  }

  /** A step with rows of a prompt, and not its end, took from `started` until `ended`. */
  chunkEnded(rows: number, { started, ended }: Pick<TracedStep, 'started' | 'ended'>): void {
    this.#chunks.push({ rows, compute: ended - started, ended });
    if (this.#chunks.length > MAX_CHUNKS) this.#chunks.shift();
  }

  /** The chunks before a prompt's end, which is over now; each is told once. */
  takeChunks(now: number): readonly ChunkTime[] {
    if (this.#chunks.length === 0) return NO_CHUNKS;
    const chunks = this.#chunks.map(({ rows, compute, ended }) => ({ rows, compute, ago: now - ended }));
    this.#chunks = [];
    return chunks;
  }

  /** Seconds of computing up to now. */
  computed(now: number): number {
    return this.#computed + (this.#began === null ? 0 : now - this.#began);
  }

  /** Since when rows that arrived at `arrived` have waited for the engine and not for earlier ones of their own. */
  waitingSince(arrived: number): number {
    return Math.max(arrived, this.#ended);
  }
}

/** Which stage, and which replica of it, does the work. */
export interface StageLabels {
  readonly index: number;
  /** Empty in the mesh of a gateway's first model. */
  readonly meshName?: string;
  /** Such as `0-9`. */
  readonly layers: string;
  readonly replica: string;
  /** Where it only takes time: `timed (…)`. */
  readonly engine?: string | null;
}

/** A step that had rows of the sequence. Times in seconds, monotonic. */
export interface TracedStep {
  readonly phase: Phase;
  /** Since when its rows had waited. */
  readonly since: number;
  readonly started: number;
  readonly ended: number;
  /** Rows of this sequence, and sequences in the step. */
  readonly tokens: number;
  readonly batchSize: number;
  /** Counts the steps of this replica. */
  readonly step: number;
}

/** What its spans need of an `Open`. */
type TracedOpen = Pick<Open, 'sequence' | 'epoch' | 'traceparent'>;

interface Totals {
  steps: number;
  tokens: number;
  queue: number;
  compute: number;
}

/**
 * The spans of one traced sequence in this stage: one for each step that the gateway asked to see, one for the
 * slowest of the others, and `stage.sequence` over all, with totals that leave no step out.
 */
export class SequenceSpans {
  readonly #tracer: Tracer;
  readonly #labels: StageLabels;
  readonly #span: Span;
  readonly #totals: Record<Phase, Totals> = { prefill: noSteps(), decode: noSteps() };
  #slowest: { step: TracedStep; seen: boolean } | null = null;

  /** Begins `stage.sequence` under the span that the open names, and points to the link that it came over. */
  constructor(
    tracer: Tracer,
    labels: StageLabels,
    { sequence, epoch, traceparent }: TracedOpen,
    link: { readonly traceparent: string },
  ) {
    this.#tracer = tracer;
    this.#labels = labels;
    const attributes = { ...labelled(labels), [ATTRIBUTES.sequence]: sequence, [ATTRIBUTES.epoch]: epoch };
    const linked = trace.getSpanContext(contextOf(link.traceparent));
    this.#span = tracer.startSpan(
      SPANS.stageSequence,
      { kind: SpanKind.SERVER, attributes, links: linked === undefined ? [] : [{ context: linked }] },
      contextOf(traceparent),
    );
  }

  /** What the next stage's `stage.sequence` belongs under. */
  get traceparent(): string {
    return traceparentOf(this.#span.spanContext());
  }

  /** Books a step. With a `parent` it gets a span under it, whose id is returned for the next stage; else ''. */
  ran(step: TracedStep, parent: string): string {
    const { phase, tokens, since, started, ended } = step;
    const totals = this.#totals[phase];
    totals.steps += 1;
    totals.tokens += tokens;
    totals.queue += started - since;
    totals.compute += ended - started;
    const seen = parent !== '';
    if (phase === 'decode' && (this.#slowest === null || ended - since > durationOf(this.#slowest.step))) {
      this.#slowest = { step, seen };
    }
    return seen ? this.#record(step, parent, {}) : '';
  }

  /**
   * Ends the sequence's span with the sums of its steps, as failed where there is a `reason`. The slowest decode step gets
   * a span even where nobody asked for one.
   */
  end(reason?: ServingError): void {
    if (this.#slowest?.seen === false) {
      this.#record(this.#slowest.step, this.#span.spanContext().spanId, { [ATTRIBUTES.slowest]: true });
    }
    const { prefill, decode } = this.#totals;
    this.#span.setAttributes({
      [ATTRIBUTES.prefillSteps]: prefill.steps,
      [ATTRIBUTES.prefillTokens]: prefill.tokens,
      [ATTRIBUTES.prefillQueueMs]: toMs(prefill.queue),
      [ATTRIBUTES.prefillComputeMs]: toMs(prefill.compute),
      [ATTRIBUTES.decodeSteps]: decode.steps,
      [ATTRIBUTES.decodeTokens]: decode.tokens,
      [ATTRIBUTES.decodeQueueMs]: toMs(decode.queue),
      [ATTRIBUTES.decodeComputeMs]: toMs(decode.compute),
    });
    if (reason !== undefined) {
      this.#span.setAttribute(ATTRIBUTES.errorType, reason.code);
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message: reason.message });
    }
    this.#span.end();
  }

  /** The step is over: its span begins and ends in the past. */
  #record(step: TracedStep, parent: string, more: Attributes): string {
    const { phase, since, started, ended, tokens, batchSize } = step;
    const attributes = {
      ...labelled(this.#labels),
      [ATTRIBUTES.phase]: phase,
      [ATTRIBUTES.batchSize]: batchSize,
      [ATTRIBUTES.tokens]: tokens,
      [ATTRIBUTES.queueMs]: toMs(started - since),
      [ATTRIBUTES.computeMs]: toMs(ended - started),
      [ATTRIBUTES.step]: step.step,
      ...more,
    };
    const span = this.#tracer.startSpan(
      phase === 'prefill' ? SPANS.stagePrefill : SPANS.stageDecode,
      { kind: SpanKind.SERVER, startTime: toMs(since), attributes },
      under(this.#span.spanContext(), parent),
    );
    span.end(toMs(ended));
    return span.spanContext().spanId;
  }
}

/** Null where the request is not traced. */
export function spansOf(
  tracer: Tracer,
  labels: StageLabels,
  open: TracedOpen,
  link: { readonly traceparent: string },
): SequenceSpans | null {
  const wanted = trace.getSpanContext(contextOf(open.traceparent)) !== undefined;
  return wanted ? new SequenceSpans(tracer, labels, open, link) : null;
}

const labelled = ({ index, layers, replica, engine = null }: StageLabels): Attributes => ({
  [ATTRIBUTES.stage]: index,
  [ATTRIBUTES.layers]: layers,
  [ATTRIBUTES.replica]: replica,
  ...(engine !== null && { [ATTRIBUTES.engine]: engine }),
});

const noSteps = (): Totals => ({ steps: 0, tokens: 0, queue: 0, compute: 0 });

const durationOf = ({ since, ended }: TracedStep): number => ended - since;

const toMs = (seconds: number): number => seconds * 1000;
