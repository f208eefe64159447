import { basename } from 'node:path';
import type { Precision } from '../../services/lib/engine/types.js';
import { modelShape } from '../../services/lib/model/shapes/model-shape.js';
import { evenSplit } from '../../services/lib/model/split.js';
import type { Topology } from '../../services/gateway/generation/backend.js';
import { engineEnvironment } from '../../scripts/lib/cli/options.js';
import { cacheDirectory } from '../../scripts/bootstrap/cache.mjs';
import { ensureCompiled } from '../../scripts/bootstrap/compile.mjs';
import { ensureDaprd } from '../../scripts/lib/local/daprd.js';
import { ensureDemoModel } from '../../scripts/lib/model/demo-model.js';
import { LocalSystem } from '../../scripts/lib/local/local-system.js';
import { freePorts } from '../../scripts/lib/local/ports.js';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import type { SidecarPorts } from '../../scripts/lib/local/member.js';
import type { TelemetryUrls } from '../../scripts/lib/local/telemetry/local-telemetry.js';
import { findTelemetryPrograms } from '../../scripts/lib/local/telemetry/programs.js';
import { prepareModel } from './prepare-model.js';

export interface TestSystemOptions {
  /** Path of a checkpoint; the demo model's by default. */
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

/** A model, the demo model where none is named, really served by real processes on free ports: what `npm run up` starts, by the same code. */
export async function startSystem(options: TestSystemOptions = {}): Promise<TestSystem> {
  const { precision = 'int8', mesh = 'dapr', replicas = {}, kvTokens, env } = options;
  await ensureCompiled(repositoryRoot);
  const { config, served } =
    options.timed === undefined ? await preparedModel(options, precision) : timedModel(options.timed);
  const daprd = mesh === 'direct' ? null : await ensureDaprd();
  if (mesh === 'dapr' && daprd === null) throw new Error('there is no daprd; npm run check builds it');

  const events: string[] = [];
  const never = new AbortController().signal;
  const system = await LocalSystem.start(
    {
      served,
      modelName: options.timed?.shape ?? basename(options.model ?? 'SmolLM2-135M-Instruct'),
      split: options.split ?? evenSplit(config, options.stages ?? 3),
      replicas: new Map(Object.entries(replicas)),
      daprd,
      port: (await freePorts(1))[0]!,
      telemetry: options.trace === true ? findTelemetryPrograms() : null,
      env: { ...env, ...(kvTokens !== undefined && { LAYERMESH_KV_TOKENS: String(kvTokens) }) },
      onEvent: (message) => events.push(message),
    },
    never,
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
    scale: (appId, count) => system.scale(appId, count, never),
    stop: async () => {
      await system.stop();
      await system.folder.remove();
    },
  };
}

async function preparedModel({ model }: TestSystemOptions, precision: Precision) {
  const path = model ?? (await ensureDemoModel());
  const { directory, config } = await prepareModel({ model: path, precision, cache: cacheDirectory() });
  return { config, served: { LAYERMESH_PREPARED: directory, LAYERMESH_PRECISION: precision } };
}

const timedModel = ({ device, shape }: NonNullable<TestSystemOptions['timed']>) => ({
  config: modelShape(shape),
  served: engineEnvironment({ engine: 'timed', device, shape }),
});
