import {
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { GenerationSettings } from '../../lib/openai/generation-fields.js';
import type { Usage } from '../../lib/openai/response-format.js';
import { ATTRIBUTES, inferenceSpan, SPANS, type Operation } from '../../lib/telemetry/names.js';
import { summaryOf, type RequestRecord, type RequestState, type RequestSummary } from './request-record.js';
import type { Round } from './rounds.js';
import { SequenceTrace, type SequenceTimes } from './sequence-trace.js';
import { type RequestPhase, timingsOf, type Timings } from './timings.js';

/** Hears of every inference request. */
export interface RequestWatcher {
  began(request: RequestTrace): void;
  ended(request: RequestTrace): void;
}

export interface RequestTraceOptions {
  /** Its `x-request-id`. */
  readonly id: string;
  readonly watcher?: RequestWatcher | null;
  readonly tracer: Tracer;
  /** The HTTP server span. */
  readonly parent: Context;
  /** The reading of `performance.now()` when the request came. */
  readonly arrived: number;
  readonly operation: Operation;
  readonly model: string;
  /** Where it only takes time: `timed (…)`. */
  readonly engine?: string | null;
  readonly settings: GenerationSettings;
  readonly decodeInterval: number;
  /** Whether the prompt may stand in the span. */
  readonly content: boolean;
  readonly onRound: (round: Round) => void;
}

/** Choices of a request whose rounds are told one by one. */
const MAX_TRAILS = 4;
/** Of a prompt that may be kept. */
const MAX_PROMPT_CHARS = 8_192;

/** One inference request: its span, and where its time goes until its sequences run and while they do. */
export class RequestTrace {
  /** For exemplars, logs and records; null where the request is not sampled. */
  readonly traceId: string | null;
  readonly #options: RequestTraceOptions;
  /** Unix time when it came, ms. */
  readonly #at: number;
  readonly #span: Span;
  readonly #context: Context;
  /** Seconds. */
  readonly #phases: Record<RequestPhase, number> = { tokenize: 0, admission: 0, route: 0 };
  readonly #sequences: SequenceTrace[] = [];
  #began: number | null = null;
  #firstToken: number | null = null;
  #state: RequestState = 'running';
  #error: string | null = null;
  #promptTokens: number | null = null;
  #usage: Usage | null = null;
  #finishReasons: readonly string[] = [];
  #prompt: string | null = null;
  /** What the client was told, so that whoever looks later sees the same. */
  #told: Timings | null = null;

  constructor(options: RequestTraceOptions) {
    this.#options = options;
    this.#at = Date.now() - (performance.now() - options.arrived);
    const { tracer, operation, model, parent } = options;
    this.#span = tracer.startSpan(
      inferenceSpan(operation, model),
      { kind: SpanKind.INTERNAL, startTime: options.arrived, attributes: requestAttributes(options) },
      parent,
    );
    this.#context = trace.setSpan(parent, this.#span);
    this.traceId = this.#span.isRecording() ? this.#span.spanContext().traceId : null;
    options.watcher?.began(this);
  }

  get id(): string {
    return this.#options.id;
  }

  /** Since the request came. */
  get seconds(): number {
    return (performance.now() - this.#options.arrived) / 1000;
  }

  /** Runs a phase, synchronous or not, under a span of its own. */
  measure<Result>(phase: RequestPhase, run: () => Result): Result {
    const started = performance.now();
    this.#began ??= started;
    const span = this.#options.tracer.startSpan(SPANS[phase], {}, this.#context);
    const end = (error?: unknown): void => {
      this.#phases[phase] += (performance.now() - started) / 1000;
      if (error !== undefined) markFailed(span, error);
      span.end();
    };
    try {
      const result = run();
      if (!(result instanceof Promise)) {
        end();
        return result;
      }
      return result.then(
        (value: unknown) => (end(), value),
        (error: unknown) => {
          end(error);
          throw error;
        },
      ) as Result;
    } catch (error) {
      end(error);
      throw error;
    }
  }

  /** One of the answers that the request asks for. */
  sequence(): SequenceTrace {
    const { tracer, arrived, decodeInterval, onRound } = this.#options;
    const parent = this.#span.spanContext();
    const sequence = new SequenceTrace({ tracer, parent, arrived, decodeInterval, onRound });
    this.#sequences.push(sequence);
    return sequence;
  }

  /** How long its prompts are, as soon as that is known. */
  tokenized(promptTokens: number): void {
    this.#promptTokens = promptTokens;
    this.#span.setAttribute(ATTRIBUTES.inputTokens, promptTokens);
  }

  /** The prompt as text, which the span holds only where that was asked for. */
  prompt(text: string): void {
    if (!this.#options.content) return;
    this.#span.setAttribute(ATTRIBUTES.inputMessages, text);
    this.#prompt = `${this.#prompt ?? ''}${text}`.slice(0, MAX_PROMPT_CHARS);
  }

  routed(route: string): void {
    this.#span.setAttribute(ATTRIBUTES.route, route);
  }

  /** Of one of its choices; only the first of all counts. */
  firstToken(): void {
    if (this.#firstToken !== null) return;
    this.#firstToken = this.seconds;
    this.#span.setAttribute(ATTRIBUTES.firstChunk, this.#firstToken);
  }

  /** Up to now, for whoever asked for the answer. */
  timings(): Timings {
    this.#told = this.#timingsNow();
    return this.#told;
  }

  #timingsNow(): Timings {
    const { arrived } = this.#options;
    const before = ((this.#began ?? arrived) - arrived) / 1000;
    return timingsOf(arrived, before, this.#phases, this.#sequences);
  }

  /** Of a request that runs, up to now. */
  summary(): RequestSummary {
    return this.#summary(this.#timings);
  }

  record(): RequestRecord {
    return {
      ...this.summary(),
      timings: this.#timings,
      sequences: this.#sequences.slice(0, MAX_TRAILS).map(({ trail }) => trail.view()),
      prompt: this.#prompt,
    };
  }

  /** Of one that is over, what its client was told. */
  get #timings(): Timings {
    return (this.#state === 'running' ? null : this.#told) ?? this.#timingsNow();
  }

  #summary({ total_ms }: Timings): RequestSummary {
    const tokensOf = ({ prefill, decode }: SequenceTimes): number => prefill.tokens + decode.tokens;
    return summaryOf(this.#options, {
      at: this.#at,
      traceId: this.traceId,
      state: this.#state,
      error: this.#error,
      promptTokens: this.#promptTokens,
      usage: this.#usage,
      finishReasons: this.#finishReasons,
      outputTokens: this.#sequences.reduce((sum, sequence) => sum + tokensOf(sequence.times()), 0),
      firstTokenSeconds: this.#firstToken,
      totalMs: total_ms,
      reroutes: this.#sequences.reduce((sum, { trail }) => sum + trail.reroutes, 0),
    });
  }

  finish(usage: Usage, finishReasons: readonly string[]): void {
    this.#usage = usage;
    this.#finishReasons = [...finishReasons];
    this.#span.setAttributes({
      [ATTRIBUTES.cachedTokens]: usage.prompt_tokens_details.cached_tokens,
      [ATTRIBUTES.outputTokens]: usage.completion_tokens,
      [ATTRIBUTES.finishReasons]: [...finishReasons],
    });
  }

  /** With what went wrong. Once it has ended, for whatever reason, nothing more is told of it. */
  end(error?: unknown): void {
    if (this.#state !== 'running') return;
    if (error !== undefined) {
      this.#error = ServingError.from(error).code;
      markFailed(this.#span, error);
    }
    this.#end(error === undefined ? 'done' : 'failed');
  }

  /** Nobody reads the answer any more, which is no fault of ours. */
  abandon(): void {
    if (this.#state !== 'running') return;
    this.#span.setAttribute(ATTRIBUTES.errorType, 'client_disconnected');
    this.#end('abandoned');
  }

  #end(state: RequestState): void {
    for (const sequence of this.#sequences) sequence.end();
    this.#span.end();
    this.#state = state;
    this.#told ??= this.#timingsNow();
    this.#options.watcher?.ended(this);
  }
}

function requestAttributes({ operation, model, engine, settings }: RequestTraceOptions): Attributes {
  return {
    [ATTRIBUTES.operation]: operation,
    [ATTRIBUTES.provider]: 'layermesh',
    [ATTRIBUTES.model]: model,
    ...(typeof engine === 'string' && { [ATTRIBUTES.engine]: engine }),
    [ATTRIBUTES.temperature]: settings.sampling.temperature,
    [ATTRIBUTES.choices]: settings.choices,
    [ATTRIBUTES.stream]: settings.stream,
    ...(settings.maxTokens !== null && { [ATTRIBUTES.maxTokens]: settings.maxTokens }),
  };
}

function markFailed(span: Span, error: unknown): void {
  const { code, message } = ServingError.from(error);
  span.setAttribute(ATTRIBUTES.errorType, code);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
}

/** How inferences are traced and who hears of their rounds. */
export interface Inferences {
  readonly tracer: Tracer;
  /** Where it only takes time: `timed (…)`. */
  readonly engine?: string | null;
  /** Every nth round of decoding has a span in each stage. */
  readonly decodeInterval: number;
  /** Whether spans hold prompts. */
  readonly content: boolean;
  readonly onRound: (round: Round) => void;
  /** Null where nobody looks at requests. */
  readonly watcher?: RequestWatcher | null;
}
