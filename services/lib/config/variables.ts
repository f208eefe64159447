import { randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { parseStageId } from './app-id.js';
import { choice, decimal, integer, name, secret, url } from './environment.js';

/*
 * Every variable that is read, each once: its type, range and default, and what docs/configuration.md says of it (of the
 * default `shown`, where it is not a value that stands here).
 */

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
const PORT = integer(1, 65_535);
/** 0 takes a free one. */
export const ANY_PORT = integer(0, 65_535);
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

export const service = {
  LAYERMESH_REPLICA: name
    .default(() => randomBytes(6).toString('hex'))
    .meta({
      description: 'id of this process in the mesh, up to 63 letters, digits, `._-`',
      shown: 'random',
    }),
  LAYERMESH_HOST: z.string().default('127.0.0.1').describe('address that they listen on'),
  LAYERMESH_LOG_LEVEL: choice(...LEVELS)
    .default('info')
    .describe('of pino: `trace`, `debug`, `info`, `warn`, `error`, `fatal`, `silent`'),
  LAYERMESH_DRAIN_SECONDS: integer(0, 86_400)
    .default(30)
    .describe('how long a stopping process waits for what it runs'),
  LAYERMESH_PREFIX_CACHE_MB: integer(0, 1 << 20)
    .default(256)
    .describe('what each stage keeps of finished sequences, MiB; 0: nothing'),
};

export const stage = z.object({
  APP_ID: z.string().refine((id) => parseStageId(id) !== null, 'not stage-0, stage-1, … or qwen-stage-0, …'),
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

export const commands = z.object({
  LAYERMESH_API_KEY: secret.describe(
    'what `chat`, `bench`, `doctor` and others show a gateway that wants keys',
  ),
});
