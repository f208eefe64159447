import { join } from 'node:path';
import { ServingError } from '../errors/serving-error.js';
import { endingOf, parseStageId } from './app-id.js';
import { isLoopback, read, type Environment, type Secret } from './environment.js';
import * as gatewayVariables from './gateway-variables.js';
import * as variables from './variables.js';

export const cacheDirectory = (environment: Environment = process.env): string =>
  read(variables.cache, environment).LAYERMESH_CACHE;

export type HubConfig = ReturnType<typeof readHubConfig>;

/** Where models come from, and the folder that all of Hugging Face's tools share. */
export function readHubConfig(environment: Environment = process.env) {
  const set = read(variables.hub, environment);
  return {
    endpoint: set.HF_ENDPOINT.replace(/\/+$/, ''),
    token: set.HF_TOKEN,
    cache: set.HF_HUB_CACHE ?? join(set.HF_HOME, 'hub'),
    offline: ['1', 'on', 'yes', 'true'].includes(set.HF_HUB_OFFLINE.toLowerCase()),
  };
}

/**
 * Tokens in the metadata of a link, by the name of their header: the one that Dapr names is between an app and its
 * own sidecar, the other between the services of one mesh, whatever lies between them.
 */
export type Tokens = Readonly<Partial<Record<'dapr-api-token' | 'layermesh-token', Secret>>>;

/** How this process reaches the others. */
export type MeshConfig = {
  /** What it shows with each link that it opens. */
  readonly shows: Tokens;
  /** What each link that is opened to it must show; nothing where no token is configured. */
  readonly wants: Tokens;
} & (
  | {
      readonly kind: 'dapr';
      readonly daprGrpcPort: number;
      readonly daprHttpPort: number;
      readonly storeName: string;
    }
  | { readonly kind: 'direct'; readonly registryDirectory: string }
);

export type DaprMeshConfig = Extract<MeshConfig, { readonly kind: 'dapr' }>;

function readMesh(environment: Environment): MeshConfig {
  const { LAYERMESH_MESH: kind, LAYERMESH_MESH_TOKEN: token } = read(variables.mesh, environment);
  const shared = tokens('layermesh-token', token);
  if (kind === 'direct') {
    const { LAYERMESH_REGISTRY_DIR: registryDirectory } = read(variables.direct, environment);
    return { kind, registryDirectory, shows: shared, wants: shared };
  }
  const set = read(variables.dapr, environment);
  return {
    kind,
    daprGrpcPort: set.DAPR_GRPC_PORT,
    daprHttpPort: set.DAPR_HTTP_PORT,
    storeName: set.LAYERMESH_STATE_STORE,
    shows: { ...shared, ...tokens('dapr-api-token', set.DAPR_API_TOKEN) },
    wants: { ...shared, ...tokens('dapr-api-token', set.APP_API_TOKEN) },
  };
}

const tokens = (header: keyof Tokens, token: Secret | undefined): Tokens =>
  token === undefined ? {} : { [header]: token };

/** Where the list is of who may ask. */
export type KeysConfig =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'secret'; readonly store: string; readonly name: string; readonly mesh: DaprMeshConfig };

/** Who is let in, and by what. Throws where everyone would be who reaches the gateway, unless that was asked for. */
function readAccess(environment: Environment, mesh: MeshConfig) {
  const set = read(gatewayVariables.access, environment);
  const keys = readKeys(set.LAYERMESH_KEYS_FILE, set.LAYERMESH_KEYS_SECRET, mesh);
  const operatorKey = set.LAYERMESH_OPERATOR_KEY ?? null;
  const host = set.LAYERMESH_HOST;
  if (!isLoopback(host) && set.LAYERMESH_INSECURE === '0' && (keys === null || operatorKey === null)) {
    const missing = keys === null ? 'keys' : 'operator key';
    throw new ServingError('invalid_config', `LAYERMESH_HOST is "${host}", and there is no ${missing}`, {
      hint: 'set LAYERMESH_KEYS_FILE and LAYERMESH_OPERATOR_KEY, or let everyone in with LAYERMESH_INSECURE=1',
    });
  }
  return { host, keys, operatorKey };
}

function readKeys(path: string | undefined, secret: string | undefined, mesh: MeshConfig): KeysConfig | null {
  if (secret === undefined) return path === undefined ? null : { kind: 'file', path };
  const [store, name] = secret.split('/') as [string, string];
  if (path !== undefined) throw refusedSecret('while LAYERMESH_KEYS_FILE is set too');
  if (mesh.kind !== 'dapr') throw refusedSecret('and without Dapr there is no secret store');
  return { kind: 'secret', store, name, mesh };
}

const refusedSecret = (why: string): ServingError =>
  new ServingError('invalid_config', `LAYERMESH_KEYS_SECRET is set, ${why}`);

/** Which model is served, by which engine, and how it is cut. */
export type ServedConfig = ReturnType<typeof readServed>;
export type TimedServed = Extract<ServedConfig, { engine: 'timed' }>;

/** `ending` is that of the model's variables; the engine is the same for all models of a process. */
export function readServed(environment: Environment, ending = '') {
  const { LAYERMESH_ENGINE: engine } = read(variables.served.pick({ LAYERMESH_ENGINE: true }), environment);
  const set = read(variables.served.omit({ LAYERMESH_ENGINE: true }), environment, ending);
  const { LAYERMESH_SPLIT: split, LAYERMESH_ACTIVATIONS: activations } = set;
  if (engine === 'timed') {
    const model = read(variables.timed, environment, ending);
    return {
      engine,
      device: model.LAYERMESH_DEVICE,
      shape: model.LAYERMESH_SHAPE,
      /** How long a stage takes to start; null: no longer than it must. */
      start: model.LAYERMESH_START === 'none' ? null : model.LAYERMESH_START,
      /** Of the storage that they load from, GB/s; null: that of `start`. */
      storageGBps: model.LAYERMESH_STORAGE_GBPS ?? null,
      /** How many times modelled times are stretched. */
      dilation: model.LAYERMESH_DILATE,
      /** Of an uncontended hop that was measured undilated. */
      hopSeconds: model.LAYERMESH_HOP_MS / 1000,
      activations: activations ?? 'f16',
      split,
    } as const;
  }
  const model = read(variables.onnx, environment, ending);
  return {
    engine,
    prepared: model.LAYERMESH_PREPARED,
    precision: model.LAYERMESH_PRECISION,
    activations: activations ?? 'f32',
    split,
  } as const;
}

/** What of a request is traced; where spans go, and how they are sampled, say OpenTelemetry's own variables. */
export type TelemetryConfig = Readonly<ReturnType<typeof readTelemetry>>;

function readTelemetry(environment: Environment, serviceName: string) {
  const set = read(variables.telemetry, environment);
  const endpoint = set.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? set.OTEL_EXPORTER_OTLP_ENDPOINT;
  return {
    /** Spans are made and exported only where somebody said where to. */
    exporting: endpoint !== null && set.OTEL_SDK_DISABLED !== 'true' && set.OTEL_TRACES_EXPORTER !== 'none',
    /** Unless `OTEL_SERVICE_NAME` says otherwise. */
    serviceName,
    /** One decode round in so many of a sequence has spans in all stages, besides the first and the slowest. */
    decodeInterval: set.LAYERMESH_TRACE_DECODE_INTERVAL,
    /** Whether spans hold prompts; they never do unless asked for. */
    content: set.OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT === 'true',
  };
}

export type StageConfig = Readonly<ReturnType<typeof readStageConfig>>;

/** Throws `invalid_config` that names the variable at fault. */
export function readStageConfig(environment: Environment = process.env) {
  const set = read(variables.stage, environment);
  const appId = set.APP_ID;
  const { meshName, index } = parseStageId(appId)!;
  // One stage is named, so that the same environment can go to all.
  const isFaulty = set.LAYERMESH_FAULT_STAGE === appId;
  return {
    appId,
    meshName,
    /** Of the stage in the split. */
    index,
    replica: set.LAYERMESH_REPLICA,
    served: readServed(environment),
    mesh: readMesh(environment),
    /** Where the gRPC server listens; the sidecar calls it here. */
    host: set.LAYERMESH_HOST,
    grpcPort: set.APP_PORT,
    /** In a pod, probes come from outside, and links from the sidecar only. */
    httpHost: set.LAYERMESH_HTTP_HOST ?? set.LAYERMESH_HOST,
    httpPort: set.LAYERMESH_HTTP_PORT,
    /** Null: as the engine finds best. */
    threads: set.LAYERMESH_THREADS === 0 ? null : set.LAYERMESH_THREADS,
    /** Null: likewise, but of `threads` that are given as many. */
    aloneThreads: set.LAYERMESH_ALONE_THREADS === 0 ? null : set.LAYERMESH_ALONE_THREADS,
    /** Null: that of the weights. */
    kvPrecision: set.LAYERMESH_KV_PRECISION === 'auto' ? null : set.LAYERMESH_KV_PRECISION,
    /** Null: as much as the engine finds best. */
    kvTokens: set.LAYERMESH_KV_TOKENS ?? null,
    prefixBytes: set.LAYERMESH_PREFIX_CACHE_MB * 2 ** 20,
    maxBatchRows: set.LAYERMESH_MAX_BATCH_ROWS,
    maxBatchSequences: set.LAYERMESH_MAX_BATCH_SEQUENCES,
    batching: set.LAYERMESH_BATCHING,
    /** 100 takes prompts whole. */
    prefillShare: set.LAYERMESH_PREFILL_SHARE,
    drainSeconds: set.LAYERMESH_DRAIN_SECONDS,
    telemetry: readTelemetry(environment, appId),
    /** Milliseconds; 0 in all stages but the one that a test makes slow. */
    fault: {
      perStep: isFaulty ? set.LAYERMESH_FAULT_STEP_MS : 0,
      perSequence: isFaulty ? set.LAYERMESH_FAULT_SEQUENCE_MS : 0,
    },
    logLevel: set.LAYERMESH_LOG_LEVEL,
  };
}

/**
 * Rows of a chunk of a prompt: enough for their products to be nearly as fast as with more, and no more than have to be,
 * for others wait for it. Alone so few that the stages work on it at the same time.
 */
const PREFILL_CHUNK = {
  // A prompt of 128 tokens over three stages of one processor each took 251 ms to its first token instead of 346, with 32 rows 246.
  onnx: { most: 256, alone: 64 },
  // A GPU takes nearly as long for 64 rows as for 256 (docs/timed-engine.md).
  timed: { most: 512, alone: 256 },
} as const;

/** A model that a gateway serves, and how it is called: by clients, and (`meshName`) in the app-ids of its stages. */
export type HostedModel = Readonly<ReturnType<typeof readHosted>>;

/** Of a further model, whose `meshName` is not empty, by variables that end with it: `LAYERMESH_SPLIT__QWEN`. */
function readHosted(environment: Environment, meshName: string) {
  const ending = endingOf(meshName);
  const set = read(gatewayVariables.model, environment, ending);
  return {
    meshName,
    served: readServed(environment, ending),
    /** Empty takes the model's own. */
    name: set.LAYERMESH_MODEL_NAME,
    aliases: set.LAYERMESH_MODEL_ALIASES,
    generationConfig: set.LAYERMESH_GENERATION_CONFIG,
  };
}

export type GatewayConfig = Readonly<ReturnType<typeof readGatewayConfig>>;

/** Throws `invalid_config` that names the variable at fault. */
export function readGatewayConfig(environment: Environment = process.env) {
  const set = read(gatewayVariables.gateway, environment);
  const first = readHosted(environment, '');
  const mesh = readMesh(environment);
  const { most, alone } = PREFILL_CHUNK[first.served.engine];
  return {
    appId: set.APP_ID,
    replica: set.LAYERMESH_REPLICA,
    models: [first, ...set.LAYERMESH_MODELS.map((meshName) => readHosted(environment, meshName))] as const,
    mesh,
    ...readAccess(environment, mesh),
    allowedHosts: set.LAYERMESH_ALLOWED_HOSTS,
    corsOrigins: set.LAYERMESH_CORS_ORIGINS,
    port: set.LAYERMESH_PORT,
    /** Where new replicas open links to it; the sidecar calls it here, and nobody else where there is one. */
    grpcPort: set.APP_PORT,
    maxConnections: set.LAYERMESH_MAX_CONNECTIONS,
    keepAliveSeconds: set.LAYERMESH_KEEP_ALIVE_SECONDS,
    receiveSeconds: set.LAYERMESH_RECEIVE_SECONDS,
    responsesTtlSeconds: set.LAYERMESH_RESPONSES_TTL,
    maxRunning: set.LAYERMESH_MAX_RUNNING,
    maxWaiting: set.LAYERMESH_MAX_WAITING,
    prefillChunk: set.LAYERMESH_PREFILL_CHUNK ?? most,
    prefillChunkAlone: set.LAYERMESH_PREFILL_CHUNK_ALONE ?? alone,
    stepTimeoutSeconds: set.LAYERMESH_STEP_TIMEOUT,
    reroutePatienceSeconds: set.LAYERMESH_REROUTE_PATIENCE,
    /** 0: stages are not started because somebody asks. */
    startPatienceSeconds: set.LAYERMESH_START_PATIENCE,
    /** Null: it is not served. */
    scalerPort: set.LAYERMESH_SCALER_PORT ?? null,
    console: set.LAYERMESH_CONSOLE === 'on',
    /** With `{trace}` for a trace's id; null: traces are nowhere to be seen. */
    traceUrl: set.LAYERMESH_TRACE_URL ?? null,
    resultFolders: set.LAYERMESH_RESULTS,
    speculation: set.LAYERMESH_SPECULATION,
    /** Whether the stages keep what finished sequences began with. */
    prefixCache: set.LAYERMESH_PREFIX_CACHE_MB > 0,
    specialTokensInContent: set.LAYERMESH_SPECIAL_TOKENS_IN_CONTENT,
    takesTemplates: set.LAYERMESH_TRUST_REQUEST_CHAT_TEMPLATE === 'yes',
    maxTokens: set.LAYERMESH_MAX_TOKENS,
    drainSeconds: set.LAYERMESH_DRAIN_SECONDS,
    telemetry: readTelemetry(environment, set.APP_ID),
    logLevel: set.LAYERMESH_LOG_LEVEL,
  };
}
