import { randomBytes } from 'node:crypto';
import { ServingError } from '../errors/serving-error.js';
import { Environment } from './env.js';
import { readLogLevel, type LogLevel } from './log-level.js';
import { readMeshConfig, type MeshConfig } from './mesh-config.js';
import { readServedConfig, type ServedConfig } from './model-config.js';
import { readPrefixBytes } from './prefix-bytes.js';
import { readTelemetryConfig, type TelemetryConfig } from './telemetry-config.js';

export interface StageConfig {
  readonly appId: string;
  /** Of the stage in the split, from the app-id. */
  readonly index: number;
  readonly replica: string;
  readonly served: ServedConfig;
  readonly mesh: MeshConfig;
  /** Where the gRPC server listens; the sidecar calls it here. */
  readonly host: string;
  readonly grpcPort: number;
  /** `/health`, `/ready` and `/metrics`: in a pod, probes come from outside, and links from the sidecar only. */
  readonly httpHost: string;
  /** 0 takes a free one. */
  readonly httpPort: number;
  /** Null: as the engine finds best. */
  readonly threads: number | null;
  /** Of the KV cache; null: that of the weights. */
  readonly kvPrecision: ServedConfig['precision'] | null;
  /** KV room, tokens. */
  readonly kvTokens: number;
  /** Room for what is kept of finished sequences, bytes. */
  readonly prefixBytes: number;
  readonly maxBatchRows: number;
  readonly maxBatchSequences: number;
  /** `auto` keeps together what runs together; `greedy` runs whatever waits as soon as the engine is free. */
  readonly batching: 'auto' | 'greedy';
  /** Of a step's time, what a waiting prompt may take from running sequences, percent; 100 takes prompts whole. */
  readonly prefillShare: number;
  /** How long a draining replica waits for its sequences, seconds. */
  readonly drainSeconds: number;
  readonly telemetry: TelemetryConfig;
  /** Delays that a test puts into this stage, milliseconds; 0 in all others. */
  readonly fault: { readonly perStep: number; readonly perSequence: number };
  readonly logLevel: LogLevel;
}

const PORTS = [0, 65_535] as const;
const FAULT_MS = [0, 60_000] as const;

/** Throws `invalid_config` that names the variable at fault. */
export function readStageConfig(
  variables: Readonly<Record<string, string | undefined>> = process.env,
): StageConfig {
  const environment = new Environment(variables);
  const appId = environment.text('APP_ID');
  const index = /^stage-(\d+)$/.exec(appId)?.[1];
  if (index === undefined)
    throw new ServingError('invalid_config', `APP_ID is "${appId}", not stage-0, stage-1, …`);
  const threads = environment.integer('LAYERMESH_THREADS', 0, [0, 1_024]);
  const host = environment.text('LAYERMESH_HOST', '127.0.0.1');
  return {
    appId,
    index: Number(index),
    replica: environment.name('LAYERMESH_REPLICA', randomBytes(3).toString('hex')),
    served: readServedConfig(environment),
    mesh: readMeshConfig(environment),
    host,
    grpcPort: environment.integer('APP_PORT', 0, PORTS),
    httpHost: environment.text('LAYERMESH_HTTP_HOST', host),
    httpPort: environment.integer('LAYERMESH_HTTP_PORT', 0, PORTS),
    threads: threads === 0 ? null : threads,
    kvPrecision: readKvPrecision(environment),
    kvTokens: environment.integer('LAYERMESH_KV_TOKENS', 131_072, [64, 1 << 30]),
    prefixBytes: readPrefixBytes(environment),
    maxBatchRows: environment.integer('LAYERMESH_MAX_BATCH_ROWS', 512, [1, 65_536]),
    maxBatchSequences: environment.integer('LAYERMESH_MAX_BATCH_SEQUENCES', 64, [1, 4_096]),
    batching: environment.choice('LAYERMESH_BATCHING', ['auto', 'greedy'], 'auto'),
    prefillShare: environment.integer('LAYERMESH_PREFILL_SHARE', 50, [1, 100]),
    drainSeconds: environment.integer('LAYERMESH_DRAIN_SECONDS', 30, [0, 86_400]),
    telemetry: readTelemetryConfig(environment, appId),
    fault: readFault(environment, appId),
    logLevel: readLogLevel(environment),
  };
}

function readKvPrecision(environment: Environment): StageConfig['kvPrecision'] {
  const choice = environment.choice('LAYERMESH_KV_PRECISION', ['auto', 'f32', 'int8'], 'auto');
  return choice === 'auto' ? null : choice;
}

/** One stage is named, so that the same environment can go to all. */
function readFault(environment: Environment, appId: string): StageConfig['fault'] {
  const isMeant = environment.text('LAYERMESH_FAULT_STAGE', '') === appId;
  const perStep = environment.integer('LAYERMESH_FAULT_STEP_MS', 0, FAULT_MS);
  const perSequence = environment.integer('LAYERMESH_FAULT_SEQUENCE_MS', 0, FAULT_MS);
  return isMeant ? { perStep, perSequence } : { perStep: 0, perSequence: 0 };
}
