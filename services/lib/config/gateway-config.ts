import { randomBytes } from 'node:crypto';
import { Environment } from './env.js';
import { readLogLevel, type LogLevel } from './log-level.js';
import { readMeshConfig, type MeshConfig } from './mesh-config.js';
import { readServedConfig, type ServedConfig } from './model-config.js';
import { readPrefixBytes } from './prefix-bytes.js';
import { readTelemetryConfig, type TelemetryConfig } from './telemetry-config.js';

export interface GatewayConfig {
  readonly appId: string;
  readonly replica: string;
  readonly served: ServedConfig;
  readonly mesh: MeshConfig;
  readonly host: string;
  /** Further names in `Host` that a gateway on a loopback address answers to; `*` is all. */
  readonly allowedHosts: readonly string[];
  /** Origins whose pages may read answers in a browser; `*` is all. */
  readonly corsOrigins: readonly string[];
  readonly port: number;
  /** HTTP connections at once; how long an idle one is kept, and how long a request may take to come, seconds. */
  readonly maxConnections: number;
  readonly keepAliveSeconds: number;
  readonly receiveSeconds: number;
  /** Shown in `/v1/models`; empty takes the model's own name. */
  readonly modelName: string;
  /** Sequences that run at once, and requests that may wait for a place. */
  readonly maxRunning: number;
  readonly maxWaiting: number;
  /** Rows of one prefill chunk; fewer where so many would not fit a frame. */
  readonly prefillChunk: number;
  /** How long the mesh may take for one step before the route is given up, seconds. */
  readonly stepTimeoutSeconds: number;
  /** How long a sequence without a route waits for one before it fails, seconds. */
  readonly reroutePatienceSeconds: number;
  /** `auto` guesses tokens ahead where that has been worth it. */
  readonly speculation: 'auto' | 'off';
  /** Whether the stages keep what finished sequences began with. */
  readonly prefixCache: boolean;
  /** Whether special tokens in a message's text are characters, or tokens. */
  readonly specialTokensInContent: 'text' | 'parse';
  /** What becomes of a request for more tokens than fit the context after its prompt. */
  readonly maxTokens: 'clamp' | 'strict';
  /** Whose sampling defaults hold where a request does not say: the checkpoint's, or OpenAI's. */
  readonly generationConfig: 'auto' | 'openai';
  readonly drainSeconds: number;
  readonly telemetry: TelemetryConfig;
  readonly logLevel: LogLevel;
}

/** Throws `invalid_config` that names the variable at fault. */
export function readGatewayConfig(
  variables: Readonly<Record<string, string | undefined>> = process.env,
): GatewayConfig {
  const environment = new Environment(variables);
  const appId = environment.name('APP_ID', 'gateway');
  return {
    appId,
    replica: environment.name('LAYERMESH_REPLICA', randomBytes(3).toString('hex')),
    served: readServedConfig(environment),
    mesh: readMeshConfig(environment),
    host: environment.text('LAYERMESH_HOST', '127.0.0.1'),
    allowedHosts: environment.list('LAYERMESH_ALLOWED_HOSTS'),
    corsOrigins: environment.origins('LAYERMESH_CORS_ORIGINS'),
    port: environment.integer('LAYERMESH_PORT', 8_000, [0, 65_535]),
    maxConnections: environment.integer('LAYERMESH_MAX_CONNECTIONS', 1_024, [1, 65_536]),
    keepAliveSeconds: environment.integer('LAYERMESH_KEEP_ALIVE_SECONDS', 75, [1, 86_400]),
    receiveSeconds: environment.integer('LAYERMESH_RECEIVE_SECONDS', 30, [1, 3_600]),
    modelName: environment.text('LAYERMESH_MODEL_NAME', ''),
    maxRunning: environment.integer('LAYERMESH_MAX_RUNNING', 32, [1, 4_096]),
    maxWaiting: environment.integer('LAYERMESH_MAX_WAITING', 128, [0, 65_536]),
    prefillChunk: environment.integer('LAYERMESH_PREFILL_CHUNK', 256, [1, 65_536]),
    stepTimeoutSeconds: environment.integer('LAYERMESH_STEP_TIMEOUT', 120, [1, 86_400]),
    reroutePatienceSeconds: environment.integer('LAYERMESH_REROUTE_PATIENCE', 60, [0, 86_400]),
    speculation: environment.choice('LAYERMESH_SPECULATION', ['auto', 'off'], 'auto'),
    prefixCache: readPrefixBytes(environment) > 0,
    specialTokensInContent: environment.choice(
      'LAYERMESH_SPECIAL_TOKENS_IN_CONTENT',
      ['text', 'parse'],
      'text',
    ),
    maxTokens: environment.choice('LAYERMESH_MAX_TOKENS', ['clamp', 'strict'], 'clamp'),
    generationConfig: environment.choice('LAYERMESH_GENERATION_CONFIG', ['auto', 'openai'], 'auto'),
    drainSeconds: environment.integer('LAYERMESH_DRAIN_SECONDS', 30, [0, 86_400]),
    telemetry: readTelemetryConfig(environment, appId),
    logLevel: readLogLevel(environment),
  };
}
