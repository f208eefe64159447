/**
 * Every error that Layermesh reports, by its stable code: the HTTP status a client sees, the OpenAI error
 * type, and a hint that says what to do. `docs/errors.md` is checked against this table by a test.
 */
export interface ErrorKind {
  readonly http: number;
  readonly type:
    | 'invalid_request_error'
    | 'authentication_error'
    | 'permission_error'
    | 'not_found_error'
    | 'rate_limit_error'
    | 'overloaded_error'
    | 'server_error';
  readonly hint: string;
}

const invalid = (hint: string, http = 400): ErrorKind => ({ http, type: 'invalid_request_error', hint });
const server = (hint: string, http = 500): ErrorKind => ({ http, type: 'server_error', hint });

export const catalogue = {
  // Keys
  invalid_api_key: {
    http: 401,
    type: 'authentication_error',
    hint: 'send a key that this server knows as Authorization: Bearer …, or as x-api-key',
  },
  model_not_allowed: {
    http: 403,
    type: 'permission_error',
    hint: 'GET /v1/models lists what your key may use',
  },
  rate_limit_exceeded: {
    http: 429,
    type: 'rate_limit_error',
    hint: 'the headers x-ratelimit-* tell what your key has left',
  },

  // Requests
  invalid_json: invalid('send one JSON object with content-type application/json'),
  invalid_value: invalid('see docs/api.md for the accepted range of each field'),
  unsupported_parameter: invalid('remove the field; docs/api.md lists what is supported'),
  unsupported_schema: invalid(
    'change what the JSON Pointer names; docs/structured-output.md lists the keywords that are supported',
  ),
  invalid_grammar: invalid('docs/structured-output.md says what a regex, a grammar or a choice may be'),
  context_length_exceeded: invalid('shorten the prompt or lower max_tokens'),
  chat_template_missing: invalid(
    'use /v1/completions, or serve a model with a chat_template in its tokenizer config',
  ),
  chat_template_failed: invalid('send the roles, and the order of them, that the model was trained on'),
  request_too_large: invalid('send a smaller body', 413),
  host_not_allowed: invalid('use localhost, or add the name to LAYERMESH_ALLOWED_HOSTS', 403),
  model_not_found: { http: 404, type: 'not_found_error', hint: 'GET /v1/models lists what is served' },
  response_not_found: {
    http: 404,
    type: 'not_found_error',
    hint: 'responses are kept for LAYERMESH_RESPONSES_TTL seconds, unless store is false',
  },
  route_not_found: { http: 404, type: 'not_found_error', hint: 'docs/api.md lists the routes' },
  request_not_found: {
    http: 404,
    type: 'not_found_error',
    hint: 'GET /requests lists what this gateway remembers',
  },
  result_not_found: { http: 404, type: 'not_found_error', hint: 'GET /results lists what there is' },
  nothing_measured: {
    http: 404,
    type: 'not_found_error',
    hint: 'send requests first, or ask for a longer window (GET /report?window=600)',
  },
  too_many_requests: { http: 429, type: 'rate_limit_error', hint: 'retry after the seconds in Retry-After' },
  kv_exhausted: {
    http: 429,
    type: 'rate_limit_error',
    hint: 'retry later, lower max_tokens, or add replicas',
  },

  // The mesh
  stage_unavailable: server('GET /ready names the missing stage', 503),
  stream_broken: server('retry; a layer service or its sidecar went away', 503),
  protocol_mismatch: server('run the same Layermesh version in every process'),
  invalid_frame: server('a neighbour sent bytes that are not a frame of this protocol; check versions'),
  sidecar_missing: server('install Dapr (https://docs.dapr.io) or run with --mesh direct', 503),
  registry_conflict: server(
    'another replica is writing the same record without end; check the state store',
    503,
  ),

  // Models
  model_path_missing: invalid('give --model a GGUF file or a Hugging Face folder'),
  not_a_checkpoint: invalid('give a GGUF file (magic GGUF) or a folder with config.json and safetensors'),
  checkpoint_truncated: invalid('download the file again; it ends before its tensors do'),
  checkpoint_invalid: invalid('download the file again, or convert it with a current tool'),
  unsupported_quantization: invalid('use F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K'),
  unsupported_architecture: invalid(
    'llama-like models are supported: Llama 2 and 3, Mistral, SmolLM2, TinyLlama',
  ),
  unsupported_tokenizer: invalid('byte-level BPE and SentencePiece vocabularies are supported'),
  invalid_split: invalid(
    'boundaries rise strictly between 1 and the number of layers minus 1, such as 10,20',
  ),
  shards_invalid: invalid(
    'run npm run prepare-model again; the prepared files are incomplete or of another version',
  ),
  disk_full: server('free some space; what was half written has been removed'),

  // Running
  logits_invalid: server('prepare the model again, or try --precision f32; its weights give no numbers'),
  download_failed: server('check the network and run the command again; it goes on where it was'),
  process_failed: server('the lines above are the end of its log'),
  cluster_failed: server('check KUBECONFIG, and what kubectl cluster-info says'),
  not_running: invalid('start the system with npm run up'),
  telemetry_missing: invalid('install it as otel/README.md says; everything else works without'),
  browser_missing: invalid('put chromium on the PATH; everything else works without'),
  port_in_use: invalid('stop what uses the port, or choose another with --port'),
  invalid_config: invalid('docs/configuration.md lists every variable and flag'),
  internal: server('this is a bug: report it with the line above'),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof catalogue;

export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(catalogue, code);
