/**
 * Every name that telemetry uses, in one place: dashboards, rules and the acceptance of traces rely on them, and a
 * test compares them with what a running system emits.
 */

/** OpenTelemetry's scope of our spans. */
export const SCOPE = 'layermesh';

export const SPANS = {
  /** In the gateway, under the HTTP server span and `chat {model}`. */
  admission: 'admission',
  tokenize: 'tokenize',
  route: 'route',
  prefill: 'prefill',
  decode: 'decode',
  /** In each stage of the route. */
  stagePrefill: 'stage.prefill',
  stageDecode: 'stage.decode',
  stageSequence: 'stage.sequence',
  /** Of a stream between two processes, in a trace of its own that Dapr's spans join. */
  link: 'link',
} as const;

/** The HTTP server span, such as `POST /v1/chat/completions`. */
export const serverSpan = (method: string, route: string): string => `${method} ${route}`;

/** The span of an inference, as the GenAI conventions name it. */
export const inferenceSpan = (operation: Operation, model: string): string => `${operation} ${model}`;

export type Operation = 'chat' | 'text_completion';

export const ATTRIBUTES = {
  // Stable conventions of HTTP and of errors.
  method: 'http.request.method',
  httpRoute: 'http.route',
  status: 'http.response.status_code',
  errorType: 'error.type',
  // The GenAI conventions, which are still in development: that is why they stand here alone.
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  model: 'gen_ai.request.model',
  maxTokens: 'gen_ai.request.max_tokens',
  temperature: 'gen_ai.request.temperature',
  choices: 'gen_ai.request.choice.count',
  stream: 'gen_ai.request.stream',
  inputTokens: 'gen_ai.usage.input_tokens',
  cachedTokens: 'gen_ai.usage.cache_read.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  finishReasons: 'gen_ai.response.finish_reasons',
  firstChunk: 'gen_ai.response.time_to_first_chunk',
  inputMessages: 'gen_ai.input.messages',
  // Our own.
  route: 'layermesh.route',
  sequence: 'layermesh.sequence',
  epoch: 'layermesh.epoch',
  rounds: 'layermesh.rounds',
  linkTo: 'layermesh.link.to',
  stage: 'layermesh.stage.index',
  layers: 'layermesh.stage.layers',
  replica: 'layermesh.stage.replica',
  /** Where it only takes time: `timed (…)`. */
  engine: 'layermesh.engine',
  phase: 'layermesh.stage.phase',
  batchSize: 'layermesh.stage.batch_size',
  tokens: 'layermesh.stage.tokens',
  queueMs: 'layermesh.stage.queue_ms',
  computeMs: 'layermesh.stage.compute_ms',
  step: 'layermesh.stage.step',
  /** The slowest of a sequence's decode steps, where it was not sampled anyway. */
  slowest: 'layermesh.stage.slowest',
  prefillSteps: 'layermesh.stage.prefill.steps',
  prefillTokens: 'layermesh.stage.prefill.tokens',
  prefillQueueMs: 'layermesh.stage.prefill.queue_ms',
  prefillComputeMs: 'layermesh.stage.prefill.compute_ms',
  decodeSteps: 'layermesh.stage.decode.steps',
  decodeTokens: 'layermesh.stage.decode.tokens',
  decodeQueueMs: 'layermesh.stage.decode.queue_ms',
  decodeComputeMs: 'layermesh.stage.decode.compute_ms',
} as const;

/** Prometheus names; times in seconds. */
export const METRICS = {
  // Of a gateway.
  requestsRunning: 'layermesh_requests_running',
  requestsWaiting: 'layermesh_requests_waiting',
  requestSuccess: 'layermesh_request_success_total',
  requestFailure: 'layermesh_request_failure_total',
  timeToFirstToken: 'layermesh_time_to_first_token_seconds',
  interTokenLatency: 'layermesh_inter_token_latency_seconds',
  endToEndLatency: 'layermesh_e2e_request_latency_seconds',
  queueTime: 'layermesh_request_queue_time_seconds',
  promptTokens: 'layermesh_prompt_tokens_total',
  generationTokens: 'layermesh_generation_tokens_total',
  prefixCacheQueries: 'layermesh_prefix_cache_queries_total',
  prefixCacheHits: 'layermesh_prefix_cache_hits_total',
  draftTokens: 'layermesh_spec_decode_num_draft_tokens_total',
  reroutes: 'layermesh_reroutes_total',
  demandedReplicas: 'layermesh_demanded_replicas',
  acceptedTokens: 'layermesh_spec_decode_num_accepted_tokens_total',
  // Of a stage.
  stepSeconds: 'layermesh_stage_step_seconds',
  stageQueueSeconds: 'layermesh_stage_queue_seconds',
  busySeconds: 'layermesh_stage_busy_seconds_total',
  batchSize: 'layermesh_stage_batch_size',
  queueDepth: 'layermesh_stage_queue_depth',
  sequences: 'layermesh_stage_sequences',
  kvUsedRatio: 'layermesh_stage_kv_used_ratio',
  linkBytes: 'layermesh_stage_link_bytes_total',
  linkSeconds: 'layermesh_stage_link_seconds',
  modelLoadSeconds: 'layermesh_stage_model_load_seconds',
  firstSequenceSeconds: 'layermesh_stage_first_sequence_seconds',
  stepOvershoot: 'layermesh_stage_step_overshoot_ratio',
  // Of both.
  engineInfo: 'layermesh_engine_info',
  spans: 'layermesh_spans_total',
} as const;
