import { z } from 'zod';
import { GATEWAY } from './app-id.js';
import {
  choice,
  eachOnce,
  integer,
  listOf,
  meshName,
  modelName,
  name,
  origin,
  secret,
  traceUrl,
} from './environment.js';
import * as shared from './variables.js';

const { ANY_PORT, service } = shared;

/* Every variable that a gateway alone reads, as `variables.ts` has the others. */

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
  LAYERMESH_OPERATOR_KEY: secret.describe(
    'what `/topology`, `/report`, `/metrics`, `/requests`, `/load` and `/results` want to be shown',
  ),
  LAYERMESH_INSECURE: choice('0', '1')
    .default('0')
    .describe('`1` lets it listen beyond this machine without keys of either kind'),
});

/** Of each model that a gateway serves, besides what the stages are told of it, too. */
export const model = z.object({
  LAYERMESH_MODEL_NAME: z
    .string()
    .default('')
    .meta({ description: 'in `/v1/models`', shown: "the model's own" }),
  LAYERMESH_MODEL_ALIASES: eachOnce(modelName).describe(
    'further names that requests may call it by, with commas; in `/v1/models` too',
  ),
  LAYERMESH_GENERATION_CONFIG: choice('auto', 'openai')
    .default('auto')
    .describe("sampling defaults: `auto` the model's (generation_config.json), `openai` OpenAI's"),
});

export const gateway = z.object({
  APP_ID: name.default(GATEWAY),
  ...service,
  APP_PORT: ANY_PORT.default(0),
  LAYERMESH_ALLOWED_HOSTS: listOf(z.string()).describe(
    'further names in `Host`, with commas, where it listens on a loopback address; `*` is all',
  ),
  LAYERMESH_CORS_ORIGINS: listOf(origin).describe(
    'whose web pages may read its answers, with commas: `https://chat.example`; `*` is all',
  ),
  LAYERMESH_PORT: ANY_PORT.default(8_000).describe(
    'HTTP; also which system `down`, `scale`, `chat` and `report` are about',
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
  LAYERMESH_MODELS: eachOnce(meshName).describe(
    'further models, by what their stages are called before `-stage-0`, with commas (below)',
  ),
  LAYERMESH_RESPONSES_TTL: integer(60, 31_536_000)
    .default(86_400)
    .describe('seconds that responses (`/v1/responses`) are kept for those who ask for them later'),
  LAYERMESH_MAX_RUNNING: integer(1, 4_096).default(32).describe('sequences that run at once'),
  LAYERMESH_MAX_WAITING: integer(0, 65_536).default(128).describe('sequences that may wait for a place'),
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
  LAYERMESH_SPECULATION: choice('auto', 'own', 'off')
    .default('auto')
    .describe(
      'tokens are guessed where that has been worth it: `auto` from the sequence and from recent answers, `own` from the sequence alone, `off` never',
    ),
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
  LAYERMESH_TRACE_URL: traceUrl.optional().meta({
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

/** By who reads them, as the documentation names it. */
export const VARIABLES: Readonly<Record<string, Readonly<Record<string, z.ZodType>>>> = {
  all: { ...shared.cache.shape, ...shared.hub.shape },
  'both services': {
    ...shared.mesh.shape,
    ...shared.direct.shape,
    ...shared.dapr.shape,
    ...shared.served.shape,
    ...shared.onnx.shape,
    ...shared.timed.shape,
    ...shared.telemetry.shape,
    ...service,
  },
  stage: shared.stage.shape,
  gateway: { ...access.shape, ...gateway.shape, ...model.shape },
  commands: shared.commands.shape,
};
