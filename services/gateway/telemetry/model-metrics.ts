import type { Counter, Histogram } from 'prom-client';
import type { FinishReason } from '../../lib/openai/response-format.js';
import {
  FAILURE_REASONS,
  FINISH_REASONS,
  REROUTE_REASONS,
  type FailureReason,
  type GatewayMetrics,
  type RerouteReason,
} from './metrics.js';
import type { RequestTrace } from './request-trace.js';

/** What a meter needs of the request's trace: the seconds since it came, and what its exemplars name. */
export type MeteredRequest = Pick<RequestTrace, 'seconds' | 'traceId' | 'firstToken'>;

/** The gateway's metrics as requests to one model count in them: with its name, by which alone they are told apart. */
export class ModelMetrics {
  /** Of tokens that were guessed, and of those that were right. */
  readonly drafts: Readonly<Record<'draftTokens' | 'acceptedTokens', Counter.Internal>>;
  readonly #metrics: GatewayMetrics;
  readonly #model: { readonly model_name: string };

  /** `name`: the id of the model, never what a client calls it, so that there are no more series than models. */
  constructor(metrics: GatewayMetrics, name: string) {
    this.#metrics = metrics;
    const model = { model_name: name };
    this.#model = model;
    this.drafts = {
      draftTokens: metrics.draftTokens.labels(model),
      acceptedTokens: metrics.acceptedTokens.labels(model),
    };
    // There before they happen: the first one would otherwise be no increase.
    metrics.promptTokens.inc(model, 0);
    metrics.prefixCacheQueries.inc(model, 0);
    metrics.prefixCacheHits.inc(model, 0);
    metrics.generationTokens.inc(model, 0);
    metrics.draftTokens.inc(model, 0);
    metrics.acceptedTokens.inc(model, 0);
    metrics.timeToFirstToken.zero(model);
    metrics.interTokenLatency.zero(model);
    metrics.endToEndLatency.zero(model);
    metrics.queueTime.zero(model);
    for (const finished_reason of FINISH_REASONS) metrics.success.inc({ ...model, finished_reason }, 0);
    for (const reason of FAILURE_REASONS) metrics.failure.inc({ ...model, reason }, 0);
    for (const reason of REROUTE_REASONS) metrics.reroutes.inc({ ...model, reason }, 0);
  }

  /** A request, with all its choices, is let in after so many seconds. */
  admitted(seconds: number): void {
    this.#metrics.queueTime.observe(this.#model, seconds);
  }

  /** A choice has its route, where so much of its prompt was cached. */
  began(promptTokens: number, cachedTokens: number): void {
    this.#metrics.promptTokens.inc(this.#model, promptTokens);
    this.#metrics.prefixCacheQueries.inc(this.#model, promptTokens);
    this.#metrics.prefixCacheHits.inc(this.#model, cachedTokens);
  }

  generated(tokens: number): void {
    this.#metrics.generationTokens.inc(this.#model, tokens);
  }

  firstToken(request: MeteredRequest): void {
    this.#observe(this.#metrics.timeToFirstToken, request, request.seconds);
  }

  /** So many seconds after the ones before. */
  nextTokens(request: MeteredRequest, seconds: number): void {
    this.#observe(this.#metrics.interTokenLatency, request, seconds);
  }

  finished(request: MeteredRequest, finished_reason: FinishReason): void {
    this.#observe(this.#metrics.endToEndLatency, request, request.seconds);
    this.#metrics.success.inc({ ...this.#model, finished_reason });
  }

  /** An HTTP request, or a response in the background, was refused or broke off. */
  failed(reason: FailureReason): void {
    this.#metrics.failure.inc({ ...this.#model, reason });
  }

  /** A running sequence has left its route. */
  rerouted(reason: RerouteReason): void {
    this.#metrics.reroutes.inc({ ...this.#model, reason });
  }

  /** With the trace as an exemplar, so that a dashboard's outlier leads to the request that was one. */
  #observe(histogram: Histogram, { traceId }: MeteredRequest, value: number): void {
    const exemplarLabels = traceId === null ? {} : { trace_id: traceId };
    histogram.observe({ value, labels: this.#model, exemplarLabels });
  }
}

/** Observes one choice as its tokens come. */
export class ChoiceMeter {
  readonly #metrics: ModelMetrics;
  readonly #request: MeteredRequest;
  #lastStep: number | null = null;

  constructor(metrics: ModelMetrics, request: MeteredRequest) {
    this.#metrics = metrics;
    this.#request = request;
  }

  /** Those of a step: guesses that were right come together, and have no time between them. */
  tokens(count: number): void {
    const now = performance.now();
    if (this.#lastStep === null) {
      this.#request.firstToken();
      this.#metrics.firstToken(this.#request);
    } else {
      this.#metrics.nextTokens(this.#request, (now - this.#lastStep) / 1000);
    }
    this.#lastStep = now;
    this.#metrics.generated(count);
  }

  finish(reason: FinishReason): void {
    this.#metrics.finished(this.#request, reason);
  }
}
