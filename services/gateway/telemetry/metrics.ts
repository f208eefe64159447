import { Counter, Gauge, Histogram } from 'prom-client';
import type { ErrorCode } from '../../lib/errors/catalogue.js';
import type { FinishReason } from '../../lib/openai/response-format.js';
import type { MetricsRegistry } from '../../lib/telemetry/metrics.js';
import { METRICS } from '../../lib/telemetry/names.js';

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

type OfModel = 'model_name';

/** Of all models that a gateway serves; `ModelMetrics` counts in them for one. */
export interface GatewayMetrics {
  readonly registry: MetricsRegistry;
  readonly success: Counter<OfModel | 'finished_reason'>;
  /** With the model `''` where a request was refused before its model was known. */
  readonly failure: Counter<OfModel | 'reason'>;
  readonly timeToFirstToken: Histogram;
  readonly interTokenLatency: Histogram;
  readonly endToEndLatency: Histogram;
  readonly queueTime: Histogram;
  readonly promptTokens: Counter<OfModel>;
  readonly prefixCacheQueries: Counter<OfModel>;
  readonly prefixCacheHits: Counter<OfModel>;
  readonly generationTokens: Counter<OfModel>;
  readonly draftTokens: Counter<OfModel>;
  readonly acceptedTokens: Counter<OfModel>;
  readonly reroutes: Counter<OfModel | 'reason'>;
}

/** Sequences of one model. */
export interface ModelLoad {
  readonly model: string;
  /** That were admitted, have room and are not finished. */
  readonly running: number;
  /** That wait for admission, or for KV room. */
  readonly waiting: number;
}

export const REROUTE_REASONS = [
  'replica_lost',
  'step_timeout',
  'draining',
  'rebalanced',
  'preempted',
] as const;
/** Why a running sequence has left its route. */
export type RerouteReason = (typeof REROUTE_REASONS)[number];

export const FINISH_REASONS: readonly FinishReason[] = ['stop', 'length', 'tool_calls'];

/** Why a request was not answered to its end. */
export type FailureReason = ErrorCode | 'client_disconnected';

/** Those that alerts and dashboards are about; others appear when they first happen. */
export const FAILURE_REASONS: readonly FailureReason[] = [
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

/**
 * Registers the gateway's metrics. As in vLLM, each choice of a request counts as a request of its own, and `model_name` is the
 * model's. `loads` and `demanded` are read whenever the metrics are.
 */
export function createGatewayMetrics(
  registry: MetricsRegistry,
  loads: () => readonly ModelLoad[] = () => [],
  demanded: () => ReadonlyMap<string, number> = () => new Map(),
): GatewayMetrics {
  const registers = [registry];
  const counter = (name: string, help: string): Counter<OfModel> =>
    new Counter({ name, help, labelNames: ['model_name'], registers });
  const histogram = (name: string, help: string, buckets: number[], enableExemplars = false): Histogram =>
    new Histogram({ name, help, labelNames: ['model_name'], buckets, registers, enableExemplars });
  const withExemplars = (name: string, help: string, buckets: number[]): Histogram =>
    histogram(name, help, buckets, true);

  new Gauge({
    name: METRICS.requestsRunning,
    help: 'Requests that were admitted, have room and are not finished',
    labelNames: ['model_name'],
    registers,
    collect() {
      for (const { model, running } of loads()) this.set({ model_name: model }, running);
    },
  });
  new Gauge({
    name: METRICS.requestsWaiting,
    help: 'Requests that wait for admission, or for KV room',
    labelNames: ['model_name'],
    registers,
    collect() {
      for (const { model, waiting } of loads()) this.set({ model_name: model }, waiting);
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
      labelNames: ['model_name', 'finished_reason'],
      registers,
    }),
    failure: new Counter({
      name: METRICS.requestFailure,
      help: 'HTTP requests that were refused or broke off, by error code or client_disconnected',
      labelNames: ['model_name', 'reason'],
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
    promptTokens: counter(METRICS.promptTokens, 'Prompt tokens of requests that were started'),
    prefixCacheQueries: counter(
      METRICS.prefixCacheQueries,
      'Prompt tokens that were looked for in the prefix cache',
    ),
    prefixCacheHits: counter(
      METRICS.prefixCacheHits,
      'Prompt tokens that were found in the prefix cache of every stage of a route',
    ),
    generationTokens: counter(METRICS.generationTokens, 'Tokens that were generated'),
    draftTokens: counter(
      METRICS.draftTokens,
      'Tokens that were guessed, to be verified together with the next one',
    ),
    acceptedTokens: counter(METRICS.acceptedTokens, 'Guessed tokens that were right'),
    reroutes: new Counter({
      name: METRICS.reroutes,
      help: 'Running sequences that left their route for another, by the reason',
      labelNames: ['model_name', 'reason'],
      registers,
    }),
  };
  // There before they happen: the first one would otherwise be no increase. Those of a model are there with it.
  for (const reason of FAILURE_REASONS) metrics.failure.inc({ model_name: '', reason }, 0);
  return metrics;
}
