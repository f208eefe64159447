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
import type { Round } from './rounds.js';
import { SequenceTrace } from './sequence-trace.js';
import { type RequestPhase, timingsOf, type Timings } from './timings.js';

export interface RequestTraceOptions {
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

/** One inference request: its span, and where its time goes until its sequences run and while they do. */
export class RequestTrace {
  readonly #options: RequestTraceOptions;
  readonly #span: Span;
  readonly #context: Context;
  /** Seconds. */
  readonly #phases: Record<RequestPhase, number> = { tokenize: 0, admission: 0, route: 0 };
  readonly #sequences: SequenceTrace[] = [];
  #began: number | null = null;
  #hasToken = false;

  constructor(options: RequestTraceOptions) {
    this.#options = options;
    const { tracer, operation, model, parent } = options;
    this.#span = tracer.startSpan(
      inferenceSpan(operation, model),
      { kind: SpanKind.INTERNAL, startTime: options.arrived, attributes: requestAttributes(options) },
      parent,
    );
    this.#context = trace.setSpan(parent, this.#span);
  }

  /** For exemplars and logs; null where the request is not sampled. */
  get traceId(): string | null {
    return this.#span.isRecording() ? this.#span.spanContext().traceId : null;
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

  /** The prompt as text, which the span holds only where that was asked for. */
  prompt(text: string): void {
    if (this.#options.content) this.#span.setAttribute(ATTRIBUTES.inputMessages, text);
  }

  routed(route: string): void {
    this.#span.setAttribute(ATTRIBUTES.route, route);
  }

  /** Of one of its choices; only the first of all counts. */
  firstToken(): void {
    if (!this.#hasToken) this.#span.setAttribute(ATTRIBUTES.firstChunk, this.seconds);
    this.#hasToken = true;
  }

  /** Up to now. */
  timings(): Timings {
    const { arrived } = this.#options;
    const before = ((this.#began ?? arrived) - arrived) / 1000;
    return timingsOf(arrived, before, this.#phases, this.#sequences);
  }

  finish(usage: Usage, finishReasons: readonly string[]): void {
    this.#span.setAttributes({
      [ATTRIBUTES.inputTokens]: usage.prompt_tokens,
      [ATTRIBUTES.cachedTokens]: usage.prompt_tokens_details.cached_tokens,
      [ATTRIBUTES.outputTokens]: usage.completion_tokens,
      [ATTRIBUTES.finishReasons]: [...finishReasons],
    });
  }

  end(error?: unknown): void {
    for (const sequence of this.#sequences) sequence.end();
    if (error !== undefined) markFailed(this.#span, error);
    this.#span.end();
  }

  /** Nobody reads the answer any more, which is no fault of ours. */
  abandon(): void {
    this.#span.setAttribute(ATTRIBUTES.errorType, 'client_disconnected');
    this.end();
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
}
