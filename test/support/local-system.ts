import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { PreparedModel } from '../../services/lib/engine/prepare/prepare-model.js';
import type { Precision } from '../../services/lib/engine/types.js';
import { modelShape } from '../../services/lib/model/shapes/model-shape.js';
import { evenSplit } from '../../services/lib/model/split.js';
import type { Topology } from '../../services/gateway/generation/backend.js';
import { engineEnvironment } from '../../scripts/lib/cli/options.js';
import { ensureCompiled } from '../../scripts/bootstrap/compile.mjs';
import { ensureDaprd } from '../../scripts/lib/local/daprd.js';
import { ensureDemoModel } from '../../scripts/lib/model/demo-model.js';
import { configOf, writeRandomModel } from '../../scripts/lib/model/random-model.js';
import { prepareShards } from '../../scripts/lib/model/prepare.js';
import { LocalSystem } from '../../scripts/lib/local/local-system.js';
import { freePorts } from '../../scripts/lib/local/processes/ports.js';
import type { FurtherModel } from '../../scripts/lib/local/system-models.js';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import type { SidecarPorts } from '../../scripts/lib/local/processes/member.js';
import type { TelemetryUrls } from '../../scripts/lib/local/telemetry/local-telemetry.js';
import { findTelemetryPrograms } from '../../scripts/lib/local/telemetry/programs.js';

export interface TestSystemOptions {
  /** Path of a checkpoint, or `SMALL`; the demo model's by default. */
  readonly model?: string;
  /** Boundaries; or a number of stages of even cost. Three stages by default. */
  readonly split?: readonly number[];
  readonly stages?: number;
  /** Such as `{ 'stage-1': 2 }`. */
  readonly replicas?: Readonly<Record<string, number>>;
  readonly precision?: Precision;
  readonly mesh?: 'dapr' | 'direct';
  readonly kvTokens?: number;
  /** With the collector, Jaeger and Prometheus, as far as they are installed. */
  readonly trace?: boolean;
  /** An engine that only takes time, of a device and a shape, instead of a model. */
  readonly timed?: { readonly device: string; readonly shape: string };
  /** Further models like `SMALL`, of other random weights each, that the same gateway serves by these names. */
  readonly furtherModels?: readonly { readonly name: string; readonly split: readonly number[] }[];
  /** More environment for every service. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What a test may know of one replica's two processes. */
export interface TestMember {
  readonly servicePid: number;
  /** Where the service serves its own metrics. */
  readonly serviceHttpPort: number;
  readonly sidecarPid: number | null;
  /** Where the sidecar takes Dapr's HTTP API on 127.0.0.1. */
  readonly sidecarHttpPort: number;
  /** What its API wants as `dapr-api-token`. */
  readonly sidecarToken: string;
  readonly ports: SidecarPorts;
  /** Where the sidecar serves its metrics on 127.0.0.1. */
  readonly sidecarMetricsPort: number;
}

export interface TestSystem {
  readonly url: string;
  /** What `up` would have printed: deaths and restarts of processes. */
  readonly events: readonly string[];
  /** Of a system with `trace`. */
  readonly telemetry: TelemetryUrls | null;
  /** Pids of the collector, Jaeger and Prometheus now. */
  telemetryPids(): ReadonlyMap<string, number>;
  /** The replicas of an app-id now, in the order they were started. */
  members(appId: string): TestMember[];
  topology(): Promise<Topology>;
  scale(appId: string, count: number): Promise<Topology>;
  stop(): Promise<void>;
}

/**
 * Instead of a checkpoint: a llama of random weights that is there in a moment, and whose steps take no time. For tests
 * about processes and links, which one makes as slow as it wants with `LAYERMESH_FAULT_STEP_MS`.
 */
export const SMALL = 'small';

export const SMALL_MODEL = {
  layers: 3,
  hidden: 128,
  intermediate: 320,
  heads: 4,
  kvHeads: 2,
  vocabulary: 1_000,
  maxPositions: 4_096,
};

/** Token ids of the small model, others for each `from`. */
export const smallPrompt = (count: number, from = 0): number[] =>
  Array.from({ length: count }, (_, index) => 300 + ((from * 97 + index * 11) % 700));

async function prepareSmall(precision: Precision, seed = 1): Promise<PreparedModel> {
  const folder = await mkdtemp(join(tmpdir(), 'layermesh-small-'));
  try {
    const file = join(folder, 'small.gguf');
    await writeRandomModel({ config: configOf(SMALL, SMALL_MODEL), type: 'Q8_0', seed, file });
    return (await prepareShards(file, precision)).prepared;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What a test file has started goes with it, even where a `beforeAll` ran out of time and nobody was given a system to stop. */
const systems: Promise<TestSystem>[] = [];
const over = new AbortController();
afterAll(async () => {
  over.abort();
  await Promise.allSettled(systems.map(async (system) => (await system).stop()));
});

/** A model, the demo model where none is named, really served by real processes on free ports: what `npm run up` starts, by the same code. */
export function startSystem(options: TestSystemOptions = {}): Promise<TestSystem> {
  const system = start(options);
  systems.push(system);
  return system;
}

async function start(options: TestSystemOptions): Promise<TestSystem> {
  const { precision = 'int8', mesh = 'dapr', replicas = {}, kvTokens, env } = options;
  await ensureCompiled(repositoryRoot);
  const { config, served } =
    options.timed === undefined ? await preparedModel(options, precision) : timedModel(options.timed);
  const furtherModels: FurtherModel[] = [];
  for (const [index, { name, split }] of (options.furtherModels ?? []).entries()) {
    const { directory } = await prepareSmall(precision, index + 2);
    const further = { LAYERMESH_PREPARED: directory, LAYERMESH_PRECISION: precision };
    furtherModels.push({ meshName: name, modelName: name, served: further, split });
  }
  const daprd = mesh === 'direct' ? null : await ensureDaprd();
  if (mesh === 'dapr' && daprd === null) throw new Error('there is no daprd; npm run check builds it');

  const events: string[] = [];
  over.signal.throwIfAborted();
  const system = await LocalSystem.start(
    {
      served,
      modelName:
        options.timed?.shape ??
        (options.model === undefined ? 'SmolLM2-135M-Instruct' : basename(options.model)),
      split: options.split ?? evenSplit(config, options.stages ?? 3),
      furtherModels,
      replicas: new Map(Object.entries(replicas)),
      daprd,
      port: (await freePorts(1))[0]!,
      telemetry: options.trace === true ? findTelemetryPrograms() : null,
      env: { ...env, ...(kvTokens !== undefined && { LAYERMESH_KV_TOKENS: String(kvTokens) }) },
      onEvent: (message) => events.push(message),
    },
    over.signal,
  );
  return {
    url: system.url,
    events,
    telemetry: system.telemetry?.urls ?? null,
    telemetryPids: () =>
      new Map([...(system.telemetry?.processes ?? [])].map(([name, { pid }]) => [name, pid])),
    members: (appId) =>
      system.members
        .filter((member) => member.appId === appId)
        .map(({ service, sidecar, ports, healthPort, apiToken }) => ({
          servicePid: service.pid,
          serviceHttpPort: healthPort,
          sidecarPid: sidecar?.pid ?? null,
          sidecarHttpPort: ports.http,
          sidecarToken: apiToken,
          ports,
          sidecarMetricsPort: ports.metrics,
        })),
    topology: () => system.topology(),
    scale: (appId, count) => system.scale(appId, count, over.signal),
    stop: () => system.remove(),
  };
}

async function preparedModel({ model }: TestSystemOptions, precision: Precision) {
  const { directory, config } =
    model === SMALL
      ? await prepareSmall(precision)
      : (await prepareShards(model ?? (await ensureDemoModel()), precision)).prepared;
  return { config, served: { LAYERMESH_PREPARED: directory, LAYERMESH_PRECISION: precision } };
}

const timedModel = ({ device, shape }: NonNullable<TestSystemOptions['timed']>) => ({
  config: modelShape(shape),
  served: engineEnvironment({ engine: 'timed', device, shape }),
});
