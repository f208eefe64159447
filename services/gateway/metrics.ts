import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { FinishReason } from '../lib/openai/response-format.js';
import type { Admission } from './admission.js';

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
  readonly registry: Registry;
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

/** Why a running sequence has left its route. */
export type RerouteReason = 'replica_lost' | 'step_timeout' | 'draining' | 'rebalanced';

/** Registers the gateway's metrics. As in vLLM, each choice of a request counts as a request of its own. */
export function createGatewayMetrics(registry: Registry, admission: Admission): GatewayMetrics {
  const registers = [registry];
  const histogram = (name: string, help: string, buckets: number[]): Histogram =>
    new Histogram({ name, help, buckets, registers });

  new Gauge({
    name: 'layermesh_requests_running',
    help: 'Requests that were admitted and are not finished',
    registers,
    collect() {
      this.set(admission.running);
    },
  });
  new Gauge({
    name: 'layermesh_requests_waiting',
    help: 'Requests that wait for admission',
    registers,
    collect() {
      this.set(admission.waiting);
    },
  });

  return {
    registry,
    success: new Counter({
      name: 'layermesh_request_success_total',
      help: 'Requests that were answered to their end, by what ended them',
      labelNames: ['finished_reason'],
      registers,
    }),
    failure: new Counter({
      name: 'layermesh_request_failure_total',
      help: 'HTTP requests that were refused or broke off, by error code or client_disconnected',
      labelNames: ['reason'],
      registers,
    }),
    timeToFirstToken: histogram(
      'layermesh_time_to_first_token_seconds',
      'From the arrival of a request to its first token',
      FIRST_TOKEN_BUCKETS,
    ),
    interTokenLatency: histogram(
      'layermesh_inter_token_latency_seconds',
      'Between one token of a request and the next',
      INTER_TOKEN_BUCKETS,
    ),
    endToEndLatency: histogram(
      'layermesh_e2e_request_latency_seconds',
      'From the arrival of a request to its last token',
      REQUEST_BUCKETS,
    ),
    queueTime: histogram(
      'layermesh_request_queue_time_seconds',
      'From the arrival of a request to its admission',
      REQUEST_BUCKETS,
    ),
    promptTokens: new Counter({
      name: 'layermesh_prompt_tokens_total',
      help: 'Prompt tokens of requests that were started',
      registers,
    }),
    prefixCacheQueries: new Counter({
      name: 'layermesh_prefix_cache_queries_total',
      help: 'Prompt tokens that were looked for in the prefix cache',
      registers,
    }),
    prefixCacheHits: new Counter({
      name: 'layermesh_prefix_cache_hits_total',
      help: 'Prompt tokens that were found in the prefix cache of every stage of a route',
      registers,
    }),
    generationTokens: new Counter({
      name: 'layermesh_generation_tokens_total',
      help: 'Tokens that were generated',
      registers,
    }),
    draftTokens: new Counter({
      name: 'layermesh_spec_decode_num_draft_tokens_total',
      help: 'Tokens that were guessed, to be verified together with the next one',
      registers,
    }),
    acceptedTokens: new Counter({
      name: 'layermesh_spec_decode_num_accepted_tokens_total',
      help: 'Guessed tokens that were right',
      registers,
    }),
    reroutes: new Counter({
      name: 'layermesh_reroutes_total',
      help: 'Running sequences that left their route for another, by the reason',
      labelNames: ['reason'],
      registers,
    }),
  };
}

/** Observes one choice as its tokens come. */
export class ChoiceMeter {
  readonly #metrics: GatewayMetrics;
  readonly #arrived: number;
  #lastToken: number | null = null;

  /** `arrived`: the reading of `performance.now()` when the request came. */
  constructor(metrics: GatewayMetrics, arrived: number) {
    this.#metrics = metrics;
    this.#arrived = arrived;
  }

  token(): void {
    const now = performance.now();
    const { timeToFirstToken, interTokenLatency, generationTokens } = this.#metrics;
    if (this.#lastToken === null) timeToFirstToken.observe((now - this.#arrived) / 1000);
    else interTokenLatency.observe((now - this.#lastToken) / 1000);
    this.#lastToken = now;
    generationTokens.inc();
  }

  finish(reason: FinishReason): void {
    this.#metrics.endToEndLatency.observe((performance.now() - this.#arrived) / 1000);
    this.#metrics.success.inc({ finished_reason: reason });
  }
}
