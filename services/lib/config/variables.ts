import { randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { choice, decimal, integer, listOf, modelName, name, origin, secret, url } from './environment.js';

/*
 * Every variable that is read, each once: its type, range and default, and what docs/configuration.md says of it (of the
 * default `shown`, where it is not a value that stands here).
 */

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
const PORT = integer(1, 65_535);
/** 0 takes a free one. */
const ANY_PORT = integer(0, 65_535);
const FAULT_MS = integer(0, 60_000);

export const cache = z.object({
  LAYERMESH_CACHE: z
    .string()
    .default(() => join(homedir(), '.cache', 'layermesh'))
    .meta({
      description: 'what is fetched, built and prepared, and the folders of the runs',
      shown: '`~/.cache/layermesh`',
    }),
});

/** Hugging Face's own: https://huggingface.co/docs/huggingface_hub, "Environment variables". */
export const hub = z.object({
  HF_HOME: z.string().default(() => join(homedir(), '.cache', 'huggingface')),
  HF_HUB_CACHE: z.string().optional(),
  HF_TOKEN: z.string().optional(),
  HF_ENDPOINT: z.string().default('https://huggingface.co'),
  HF_HUB_OFFLINE: z.string().default(''),
});

export const mesh = z.object({
  LAYERMESH_MESH: choice('dapr', 'direct').default('dapr').describe('`dapr` or `direct`'),
  LAYERMESH_MESH_TOKEN: secret.describe(
    'services show it to each other; without the right one a link is refused',
  ),
});
export const direct = z.object({
  LAYERMESH_REGISTRY_DIR: z
    .string()
    .meta({ description: 'direct mesh: the folder where replicas find each other', shown: '' }),
});
export const dapr = z.object({
  LAYERMESH_STATE_STORE: z
    .string()
    .default('statestore')
    .describe('Dapr mesh: the component that holds the replica registry, and the responses that are kept'),
  DAPR_GRPC_PORT: PORT.default(50_001),
  DAPR_HTTP_PORT: PORT.default(3_500),
  DAPR_API_TOKEN: secret,
  APP_API_TOKEN: secret,
});

export const served = z.object({
  LAYERMESH_ENGINE: choice('onnx', 'timed')
    .default('onnx')
    .describe('`onnx` computes, `timed` takes the time of a GPU and computes nothing (docs/timed-engine.md)'),
  LAYERMESH_ACTIVATIONS: choice('f32', 'f16').optional().meta({
    description: 'of what stages send each other: `f16` is half the bytes (ADR 011)',
    shown: '`f32`; `f16` where timed',
  }),
  LAYERMESH_SPLIT: z
    .string()
    .default('')
    .meta({ description: 'boundaries between the stages', shown: 'empty: one stage' }),
});
export const onnx = z.object({
  LAYERMESH_PREPARED: z
    .string()
    .describe('folder of the prepared model, which `npm run prepare-model` prints'),
  LAYERMESH_PRECISION: choice('int8', 'f32')
    .default('int8')
    .describe('`int8` or `f32`; must have been prepared'),
});
export const timed = z.object({
  LAYERMESH_DEVICE: z
    .string()
    .default('a100-80g')
    .describe('timed: the device that is emulated; each stage may have its own'),
  LAYERMESH_SHAPE: z.string().default('llama-2-13b').describe('timed: the shape of the model'),
  LAYERMESH_START: choice('none', 'stock', 'fast-loader')
    .default('none')
    .describe('timed: how long a stage takes to start; `none` waits for nothing'),
  LAYERMESH_STORAGE_GBPS: decimal(0.01, 1_000).optional().meta({
    description: 'timed: bandwidth that replicas share which load at once, GB/s',
    shown: 'that of `LAYERMESH_START`',
  }),
  LAYERMESH_DILATE: integer(1, 1_000)
    .default(1)
    .describe('timed: modelled times are stretched so many times'),
  LAYERMESH_HOP_MS: decimal(0, 1_000)
    .default(0)
    .describe(
      'timed: an uncontended hop, measured undilated, milliseconds; dilated, each hop takes so much longer',
    ),
});

export const telemetry = z.object({
  LAYERMESH_TRACE_DECODE_INTERVAL: integer(1, 1 << 20)
    .default(32)
    .describe('one in so many decode rounds of a sequence has spans in all stages'),
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url,
  OTEL_TRACES_EXPORTER: z.string().default('otlp'),
  OTEL_SDK_DISABLED: z.string().default('false'),
  OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: z.string().default('false'),
});

const service = {
  LAYERMESH_REPLICA: name
    .default(() => randomBytes(6).toString('hex'))
    .meta({
      description: 'id of this process in the mesh, up to 63 letters, digits, `._-`',
      shown: 'random',
    }),
  LAYERMESH_HOST: z.string().default('127.0.0.1').describe('address that they listen on'),
  LAYERMESH_LOG_LEVEL: choice(...LEVELS)
    .default('info')
    .describe('of pino: `trace`, `debug`, `info`, `warn`, `error`, `silent`'),
  LAYERMESH_DRAIN_SECONDS: integer(0, 86_400)
    .default(30)
    .describe('how long a stopping process waits for what it runs'),
  LAYERMESH_PREFIX_CACHE_MB: integer(0, 1 << 20)
    .default(256)
    .describe('what each stage keeps of finished sequences, MiB; 0: nothing'),
};

export const stage = z.object({
  APP_ID: z.string().regex(/^stage-\d+$/, 'not stage-0, stage-1, …'),
  ...service,
  APP_PORT: ANY_PORT.default(0),
  LAYERMESH_HTTP_HOST: z.string().optional().meta({
    description: 'address of `/health`, `/ready` and `/metrics`',
    shown: 'that of `LAYERMESH_HOST`',
  }),
  LAYERMESH_HTTP_PORT: ANY_PORT.default(0).meta({ description: 'their port', shown: '0: a free one' }),
  LAYERMESH_THREADS: integer(0, 1_024).default(0).meta({
    description: 'of the engine: by default what the cgroup grants, of small layers a part',
    shown: '0: as ADR 009 says',
  }),
  LAYERMESH_ALONE_THREADS: integer(0, 1_024).default(0).meta({
    description:
      'of a step that nothing else is computed beside; more than `LAYERMESH_THREADS` hold the weights twice',
    shown: '0: as ADR 019 says',
  }),
  LAYERMESH_KV_PRECISION: choice('auto', 'f32', 'int8')
    .default('auto')
    .describe('of the KV cache: `auto` that of the weights, `int8` or `f32`'),
  LAYERMESH_KV_TOKENS: integer(64, 1 << 30)
    .optional()
    .meta({
      description: 'KV room, tokens',
      shown: '131072; timed: what its device has room for',
    }),
  LAYERMESH_MAX_BATCH_ROWS: integer(1, 65_536).default(512).describe('rows of one step'),
  LAYERMESH_MAX_BATCH_SEQUENCES: integer(1, 4_096).default(64).describe('sequences of one step'),
  LAYERMESH_BATCHING: choice('auto', 'greedy')
    .default('auto')
    .describe('`auto` keeps running sequences together, `greedy` waits for none'),
  LAYERMESH_PREFILL_SHARE: integer(1, 100)
    .default(50)
    .describe('percent of a step that a prompt may take from running sequences'),
  LAYERMESH_FAULT_STAGE: z.string().optional().meta({
    description: 'for tests: the app-id of the stage that is made slow, such as `stage-1`',
    shown: '',
  }),
  LAYERMESH_FAULT_STEP_MS: FAULT_MS.default(0).describe(
    'for tests: that stage sleeps so long in each step, milliseconds',
  ),
  LAYERMESH_FAULT_SEQUENCE_MS: FAULT_MS.default(0).describe(
    'for tests: and so long for each sequence in the step',
  ),
});

export const access = z.object({
  LAYERMESH_HOST: service.LAYERMESH_HOST,
  LAYERMESH_KEYS_FILE: z
    .string()
    .optional()
    .describe('who may ask, with their keys and limits (docs/security.md)'),
  LAYERMESH_KEYS_SECRET: z
    .string()
    .regex(/^[\w.-]+\/[\w.-]+$/, 'not of the form store/name')
    .optional()
    .describe('Dapr mesh: the same, in a secret store of the sidecar, as `store/name`'),
  LAYERMESH_OPERATOR_KEY: secret.describe('what `/topology`, `/report` and `/metrics` want to be shown'),
  LAYERMESH_INSECURE: choice('0', '1')
    .default('0')
    .describe('`1` lets it listen beyond this machine without keys of either kind'),
});

export const gateway = z.object({
  APP_ID: name.default('gateway'),
  ...service,
  APP_PORT: ANY_PORT.default(0),
  LAYERMESH_ALLOWED_HOSTS: listOf(z.string()).describe(
    'further names in `Host`, with commas, where it listens on a loopback address; `*` is all',
  ),
  LAYERMESH_CORS_ORIGINS: listOf(origin).describe(
    'whose web pages may read its answers, with commas: `https://chat.example`; `*` is all',
  ),
  LAYERMESH_PORT: ANY_PORT.default(8_000).describe(
    'HTTP; also which system `down`, `scale` and `chat` are about',
  ),
  LAYERMESH_MAX_CONNECTIONS: integer(1, 65_536)
    .default(1_024)
    .describe('HTTP connections at once; more are closed as they come'),
  LAYERMESH_KEEP_ALIVE_SECONDS: integer(1, 86_400)
    .default(75)
    .describe('how long an idle connection is kept: longer than a proxy before it does'),
  LAYERMESH_RECEIVE_SECONDS: integer(1, 3_600)
    .default(30)
    .describe('within which a request must have come whole, its headers within 10'),
  LAYERMESH_MODEL_NAME: z
    .string()
    .default('')
    .meta({ description: 'in `/v1/models`', shown: "the model's own" }),
  LAYERMESH_MODEL_ALIASES: listOf(modelName)
    .refine((names) => new Set(names).size === names.length, 'which has a name twice')
    .describe('further names that requests may call it by, with commas; in `/v1/models` too'),
  LAYERMESH_GENERATION_CONFIG: choice('auto', 'openai')
    .default('auto')
    .describe("sampling defaults: `auto` the model's (generation_config.json), `openai` OpenAI's"),
  LAYERMESH_RESPONSES_TTL: integer(60, 31_536_000)
    .default(86_400)
    .describe('seconds that responses (`/v1/responses`) are kept for those who ask for them later'),
  LAYERMESH_MAX_RUNNING: integer(1, 4_096).default(32).describe('sequences that run at once'),
  LAYERMESH_MAX_WAITING: integer(0, 65_536).default(128).describe('requests that may wait for a place'),
  LAYERMESH_MAX_TOKENS: choice('clamp', 'strict')
    .default('clamp')
    .describe('a request for more tokens than fit: `clamp` gives the room, `strict` 400'),
  LAYERMESH_PREFILL_CHUNK: integer(1, 65_536).optional().meta({
    description: 'rows of a chunk of a prompt, if they fit a frame',
    shown: '256; timed: 512',
  }),
  LAYERMESH_PREFILL_CHUNK_ALONE: integer(1, 65_536).optional().meta({
    description: 'the same, of a prompt beside which less runs than there are stages',
    shown: '64; timed: 256',
  }),
  LAYERMESH_SPECULATION: choice('auto', 'off')
    .default('auto')
    .describe('`auto` guesses tokens where that has been worth it, `off` never'),
  LAYERMESH_SPECIAL_TOKENS_IN_CONTENT: choice('text', 'parse')
    .default('text')
    .describe('`<|im_end|>` in a message is characters (`text`) or the token (`parse`)'),
  LAYERMESH_TRUST_REQUEST_CHAT_TEMPLATE: choice('no', 'yes')
    .default('no')
    .describe('whether a request may bring a `chat_template`, which is a program that the gateway runs'),
  LAYERMESH_STEP_TIMEOUT: integer(1, 86_400)
    .default(120)
    .describe('seconds that one step may take (queues and long prompts may take longer)'),
  LAYERMESH_REROUTE_PATIENCE: integer(0, 86_400)
    .default(60)
    .describe('seconds that a sequence without a route waits for one'),
  LAYERMESH_START_PATIENCE: integer(0, 86_400)
    .default(0)
    .describe('the same while a stage has no replica, where requests start them; 0: they do not'),
  LAYERMESH_CONSOLE: choice('on', 'off').default('on').describe('`off`: `GET /` is no console'),
  LAYERMESH_TRACE_URL: z
    .string()
    .regex(/^https?:\/\/[^{}]+\{trace\}[^{}]*$/, 'not a URL with {trace} in it')
    .optional()
    .meta({
      description: 'where the console shows a trace, such as `http://127.0.0.1:16686/trace/{trace}`',
      shown: 'none',
    }),
  LAYERMESH_RESULTS: listOf(z.string()).describe(
    'folders, with commas, of what measuring commands wrote, for the console to draw; `npm run up` names its own',
  ),
  LAYERMESH_SCALER_PORT: ANY_PORT.optional().meta({
    description: "gRPC: KEDA's external scaler, at `LAYERMESH_HOST`",
    shown: 'none',
  }),
});

export const commands = z.object({
  LAYERMESH_API_KEY: secret.describe(
    'what `chat`, `bench`, `doctor` and others show a gateway that wants keys',
  ),
});

/** By who reads them, as the documentation names it. */
export const VARIABLES: Readonly<Record<string, Readonly<Record<string, z.ZodType>>>> = {
  all: { ...cache.shape, ...hub.shape },
  'both services': {
    ...mesh.shape,
    ...direct.shape,
    ...dapr.shape,
    ...served.shape,
    ...onnx.shape,
    ...timed.shape,
    ...telemetry.shape,
    ...service,
  },
  stage: stage.shape,
  gateway: { ...access.shape, ...gateway.shape },
  commands: commands.shape,
};
