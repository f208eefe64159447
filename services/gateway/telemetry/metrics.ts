import { Counter, Gauge, Histogram } from 'prom-client';
import type { ErrorCode } from '../../lib/errors/catalogue.js';
import type { FinishReason } from '../../lib/openai/response-format.js';
import type { MetricsRegistry } from '../../lib/telemetry/metrics.js';
import { METRICS } from '../../lib/telemetry/names.js';
import type { Admission } from '../admission.js';
import type { RequestTrace } from './request-trace.js';

// vLLM's bucket lists, seconds, so that its dashboards compare.
const FIRST_TOKEN_BUCKETS = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640,
  2560,
];
const INTER_TOKEN_BUCKETS = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
];
const REQUEST_BUCKETS = [
  0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
];

export interface GatewayMetrics {
  readonly registry: MetricsRegistry;
  readonly success: Counter<'finished_reason'>;
  readonly failure: Counter<'reason'>;
  readonly timeToFirstToken: Histogram;
  readonly interTokenLatency: Histogram;
  readonly endToEndLatency: Histogram;
  readonly queueTime: Histogram;
  readonly promptTokens: Counter;
  readonly prefixCacheQueries: Counter;
  readonly prefixCacheHits: Counter;
  readonly generationTokens: Counter;
  readonly draftTokens: Counter;
  readonly acceptedTokens: Counter;
  readonly reroutes: Counter<'reason'>;
}

const REROUTE_REASONS = ['replica_lost', 'step_timeout', 'draining', 'rebalanced', 'preempted'] as const;
/** Why a running sequence has left its route. */
export type RerouteReason = (typeof REROUTE_REASONS)[number];

const FINISH_REASONS: readonly FinishReason[] = ['stop', 'length', 'tool_calls'];

/** Those that alerts and dashboards are about; others appear when they first happen. */
const FAILURE_REASONS: readonly (ErrorCode | 'client_disconnected')[] = [
  'client_disconnected',
  'invalid_api_key',
  'rate_limit_exceeded',
  'too_many_requests',
  'kv_exhausted',
  'stage_unavailable',
  'stream_broken',
  'invalid_value',
  'invalid_json',
  'context_length_exceeded',
  'internal',
];

/** Registers the gateway's metrics. As in vLLM, each choice of a request counts as a request of its own. */
export function createGatewayMetrics(
  registry: MetricsRegistry,
  admission: Pick<Admission, 'running' | 'waiting'>,
  waitingForRoom: () => number = () => 0,
  demanded: () => ReadonlyMap<string, number> = () => new Map(),
): GatewayMetrics {
  const registers = [registry];
  const histogram = (name: string, help: string, buckets: number[]): Histogram =>
    new Histogram({ name, help, buckets, registers });
  const withExemplars = (name: string, help: string, buckets: number[]): Histogram =>
    new Histogram({ name, help, buckets, registers, enableExemplars: true });

  new Gauge({
    name: METRICS.requestsRunning,
    help: 'Requests that were admitted, have room and are not finished',
    registers,
    collect() {
      this.set(admission.running - waitingForRoom());
    },
  });
  new Gauge({
    name: METRICS.requestsWaiting,
    help: 'Requests that wait for admission, or for KV room',
    registers,
    collect() {
      this.set(admission.waiting + waitingForRoom());
    },
  });

  new Gauge({
    name: METRICS.demandedReplicas,
    help: 'Replicas of a stage that the load of this gateway needs: a share, so that the sum over gateways is for the stage',
    labelNames: ['stage'],
    registers,
    collect() {
      // What is not known is not there, so that a rule can tell and fall back.
      this.reset();
      for (const [stage, replicas] of demanded()) this.set({ stage }, replicas);
    },
  });

  const metrics: GatewayMetrics = {
    registry,
    success: new Counter({
      name: METRICS.requestSuccess,
      help: 'Requests that were answered to their end, by what ended them',
      labelNames: ['finished_reason'],
      registers,
    }),
    failure: new Counter({
      name: METRICS.requestFailure,
      help: 'HTTP requests that were refused or broke off, by error code or client_disconnected',
      labelNames: ['reason'],
      registers,
    }),
    timeToFirstToken: withExemplars(
      METRICS.timeToFirstToken,
      'From the arrival of a request to its first token',
      FIRST_TOKEN_BUCKETS,
    ),
    interTokenLatency: withExemplars(
      METRICS.interTokenLatency,
      'Between the tokens of one step of a request and those of the next',
      INTER_TOKEN_BUCKETS,
    ),
    endToEndLatency: withExemplars(
      METRICS.endToEndLatency,
      'From the arrival of a request to its last token',
      REQUEST_BUCKETS,
    ),
    queueTime: histogram(
      METRICS.queueTime,
      'From the arrival of a request to its admission',
      REQUEST_BUCKETS,
    ),
    promptTokens: new Counter({
      name: METRICS.promptTokens,
      help: 'Prompt tokens of requests that were started',
      registers,
    }),
    prefixCacheQueries: new Counter({
      name: METRICS.prefixCacheQueries,
      help: 'Prompt tokens that were looked for in the prefix cache',
      registers,
    }),
    prefixCacheHits: new Counter({
      name: METRICS.prefixCacheHits,
      help: 'Prompt tokens that were found in the prefix cache of every stage of a route',
      registers,
    }),
    generationTokens: new Counter({
      name: METRICS.generationTokens,
      help: 'Tokens that were generated',
      registers,
    }),
    draftTokens: new Counter({
      name: METRICS.draftTokens,
      help: 'Tokens that were guessed, to be verified together with the next one',
      registers,
    }),
    acceptedTokens: new Counter({
      name: METRICS.acceptedTokens,
      help: 'Guessed tokens that were right',
      registers,
    }),
    reroutes: new Counter({
      name: METRICS.reroutes,
      help: 'Running sequences that left their route for another, by the reason',
      labelNames: ['reason'],
      registers,
    }),
  };
  // There before they happen: the first one would otherwise be no increase.
  for (const finished_reason of FINISH_REASONS) metrics.success.inc({ finished_reason }, 0);
  for (const reason of FAILURE_REASONS) metrics.failure.inc({ reason }, 0);
  for (const reason of REROUTE_REASONS) metrics.reroutes.inc({ reason }, 0);
  return metrics;
}

/** What a meter needs of the request's trace: the seconds since it came, and what its exemplars name. */
export type MeteredRequest = Pick<RequestTrace, 'seconds' | 'traceId' | 'firstToken'>;

/** Observes one choice as its tokens come. */
export class ChoiceMeter {
  readonly #metrics: GatewayMetrics;
  readonly #request: MeteredRequest;
  #lastStep: number | null = null;

  constructor(metrics: GatewayMetrics, request: MeteredRequest) {
    this.#metrics = metrics;
    this.#request = request;
  }

  /** Those of a step: guesses that were right come together, and have no time between them. */
  tokens(count: number): void {
    const now = performance.now();
    const { timeToFirstToken, interTokenLatency, generationTokens } = this.#metrics;
    if (this.#lastStep === null) {
      this.#request.firstToken();
      this.#observe(timeToFirstToken, this.#request.seconds);
    } else {
      this.#observe(interTokenLatency, (now - this.#lastStep) / 1000);
    }
    this.#lastStep = now;
    generationTokens.inc(count);
  }

  finish(reason: FinishReason): void {
    this.#observe(this.#metrics.endToEndLatency, this.#request.seconds);
    this.#metrics.success.inc({ finished_reason: reason });
  }

  /** With the trace as an exemplar, so that a dashboard's outlier leads to the request that was one. */
  #observe(histogram: Histogram, value: number): void {
    const { traceId } = this.#request;
    const exemplarLabels = traceId === null ? {} : { trace_id: traceId };
    histogram.observe({ value, labels: {}, exemplarLabels });
  }
}
