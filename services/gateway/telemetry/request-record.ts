import type { GenerationSettings } from '../../lib/openai/generation-fields.js';
import type { Usage } from '../../lib/openai/response-format.js';
import type { Operation } from '../../lib/telemetry/names.js';
import type { TrailView } from './round-trail.js';
import type { Timings } from './timings.js';

/** How a request stands: `abandoned` is one whose client has gone. */
export type RequestState = 'running' | 'done' | 'failed' | 'abandoned';

/** What is told of a request in a list: figures, and nothing that anybody wrote. */
export interface RequestSummary {
  /** Its `x-request-id`. */
  readonly id: string;
  /** Null where it is not traced. */
  readonly trace_id: string | null;
  /** Unix time when it came, ms. */
  readonly at: number;
  readonly state: RequestState;
  /** The code of the error that ended it. */
  readonly error: string | null;
  readonly operation: Operation;
  readonly model: string;
  readonly stream: boolean;
  readonly choices: number;
  readonly temperature: number;
  readonly max_tokens: number | null;
  /** Null of one that has not got so far. */
  readonly prompt_tokens: number | null;
  /** Known at the end of its answer. */
  readonly cached_tokens: number | null;
  readonly output_tokens: number;
  readonly finish_reasons: readonly string[];
  readonly ttft_ms: number | null;
  readonly total_ms: number;
  readonly reroutes: number;
}

/** One request, opened. */
export interface RequestRecord extends RequestSummary {
  /** Of its sequence that was answered last, as its client is told them. */
  readonly timings: Timings;
  /** The first few of its choices. */
  readonly sequences: readonly TrailView[];
  /** Only where prompts may be captured (docs/observability.md). */
  readonly prompt: string | null;
}

/** What a request asks for, as far as a record tells of it. */
export interface RequestFacts {
  readonly id: string;
  readonly operation: Operation;
  readonly model: string;
  readonly settings: GenerationSettings;
}

/** What is found out while it runs. */
export interface RequestProgress {
  readonly at: number;
  readonly traceId: string | null;
  readonly state: RequestState;
  readonly error: string | null;
  readonly promptTokens: number | null;
  readonly usage: Usage | null;
  readonly finishReasons: readonly string[];
  readonly outputTokens: number;
  readonly firstTokenSeconds: number | null;
  readonly totalMs: number;
  readonly reroutes: number;
}

export function summaryOf(facts: RequestFacts, progress: RequestProgress): RequestSummary {
  const { settings } = facts;
  const { usage, firstTokenSeconds } = progress;
  return {
    id: facts.id,
    trace_id: progress.traceId,
    at: Math.round(progress.at),
    state: progress.state,
    error: progress.error,
    operation: facts.operation,
    model: facts.model,
    stream: settings.stream,
    choices: settings.choices,
    temperature: settings.sampling.temperature,
    max_tokens: settings.maxTokens,
    prompt_tokens: progress.promptTokens,
    cached_tokens: usage?.prompt_tokens_details.cached_tokens ?? null,
    output_tokens: usage?.completion_tokens ?? progress.outputTokens,
    finish_reasons: progress.finishReasons,
    ttft_ms: firstTokenSeconds === null ? null : Math.round(firstTokenSeconds * 1e6) / 1e3,
    total_ms: progress.totalMs,
    reroutes: progress.reroutes,
  };
}
