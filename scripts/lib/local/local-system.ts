import { rm } from 'node:fs/promises';
import type { Topology } from '../../../services/gateway/generation/backend.js';
import { GATEWAY } from '../../../services/lib/config/app-id.js';
import { requireStages, type ReplicaCounts } from '../cli/options.js';
import { GatewayClient } from './gateway-client.js';
import { Member, randomToken, replicasOf, type Replica } from './processes/member.js';
import { freePort } from './processes/ports.js';
import { entriesOfStages, readRunFile, type AppEntry } from './run/run-file.js';
import { RunFolder } from './run/run-folder.js';
import { clearPort, recordOf, writeRunState, type RecordedProcess } from './run/run-state.js';
import type { StateStore } from './state-store.js';
import { gatewayVariables, modelOf, modelsOf, stageVariables, type SystemModels } from './system-models.js';
import { LocalTelemetry } from './telemetry/local-telemetry.js';
import type { TelemetryPrograms } from './telemetry/programs.js';

export interface SystemOptions extends SystemModels {
  /** How long its stages take to start by their own account, seconds. */
  readonly startSeconds?: number;
  readonly replicas: ReplicaCounts;
  /** Path of the sidecar's program; null for the direct mesh. */
  readonly daprd: string | null;
  /** Where the gateway takes HTTP requests on 127.0.0.1; a free port where it is not said. */
  readonly port?: number;
  /** Behind the sidecars; a file of this run's own where there is none. */
  readonly state?: StateStore;
  /** The programs that take traces and metrics; null for a run without them. */
  readonly telemetry?: TelemetryPrograms | null;
  /** More environment for every service, such as `LAYERMESH_KV_TOKENS`. */
  readonly env?: Readonly<Record<string, string>>;
  /** And of one replica alone, such as the device that it emulates. */
  readonly ownEnv?: (appId: string, replica: number) => Readonly<Record<string, string>>;
  readonly onEvent?: (message: string) => void;
}

const READY_TIMEOUT_MS = 120_000;
/** More for each replica: all of them start on the same processors. */
const READY_EACH_MS = 5_000;
const STOP_GRACE_MS = 10_000;
/** A replica that leaves a running system first finishes, or hands over, its sequences. */
const DRAIN_GRACE_MS = 60_000;

/** The gateway, every replica of every stage and their sidecars on this machine, as dapr/dapr.yaml describes them. */
export class LocalSystem {
  readonly url: string;
  readonly folder: RunFolder;
  readonly gateway: GatewayClient;
  readonly #options: SystemOptions;
  readonly #port: number;
  readonly #members: Member[] = [];
  readonly #disown: () => void;
  /** What the services of this run show each other, so that no other process on this machine can open a link. */
  readonly #meshToken = randomToken();
  #stageApps: readonly AppEntry[] = [];
  #telemetry: LocalTelemetry | null = null;
  #scaling: Promise<unknown> = Promise.resolve();
  #stopped: Promise<void> | null = null;

  private constructor(options: SystemOptions, port: number, folder: RunFolder, disown: () => void) {
    this.#options = options;
    this.#port = port;
    this.#disown = disown;
    this.url = `http://127.0.0.1:${port}`;
    this.folder = folder;
    this.gateway = new GatewayClient(this.url, { ...process.env, ...options.env });
  }

  /** Starts everything at once and returns when requests can be served by every replica asked for. */
  static async start(options: SystemOptions, signal: AbortSignal): Promise<LocalSystem> {
    const port = options.port ?? (await freePort());
    const folder = new RunFolder(port);
    const disown = folder.own();
    await clearPort(port, options.onEvent).catch((error: unknown) => {
      disown();
      throw error;
    });
    const system = new LocalSystem(options, port, folder, disown);
    try {
      await system.#start(signal);
      return system;
    } catch (error) {
      await system.stop();
      throw error;
    }
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  /** Null in a run without traces. */
  get telemetry(): LocalTelemetry | null {
    return this.#telemetry;
  }

  topology(): Promise<Topology> {
    return this.gateway.topology();
  }

  /** Starts or drains replicas of a stage until it has `count`; one change at a time. */
  scale(appId: string, count: number, signal: AbortSignal): Promise<Topology> {
    const change = this.#scaling.then(() => this.#scale(appId, count, signal));
    this.#scaling = change.catch(() => undefined);
    return change;
  }

  /**
   * In order: no new requests, then no stages, then no sidecars, then no telemetry. Calling it again waits for the
   * same stop.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** `stop`, and nothing of the run is left in the cache. */
  async remove(): Promise<void> {
    await this.stop();
    await this.folder.remove();
  }

  async #start(signal: AbortSignal): Promise<void> {
    await this.folder.renew();
    const { telemetry, modelName, state = 'sqlite' } = this.#options;
    if (telemetry) {
      const { folder } = this;
      const started = { programs: telemetry, folder, modelName, onEvent: this.#onEvent };
      this.#telemetry = await LocalTelemetry.start(started);
    }
    this.#record();
    const otlpGrpc = this.#telemetry?.otlpGrpc ?? null;
    const { gateway, stages } = await readRunFile();
    const localStages = await Promise.all(stages.map((app) => this.folder.localize(app, otlpGrpc, state)));
    this.#stageApps = modelsOf(this.#options).flatMap(({ meshName, split }) =>
      entriesOfStages(localStages, split.length + 1, meshName),
    );
    await this.#startMembers([
      { app: await this.folder.localize(gateway, otlpGrpc, state), replica: 1 },
      ...this.#stageApps.flatMap((app) => replicasOf(app, 1, this.#options.replicas.get(app.appId) ?? 1)),
    ]);
    await this.waitUntilComplete(signal);
    await this.#telemetry?.waitUntilReady(signal);
  }

  async #scale(appId: string, count: number, signal: AbortSignal): Promise<Topology> {
    requireStages(
      new Map([[appId, count]]),
      this.#stageApps.map((app) => app.appId),
    );
    const app = this.#stageApps.find((each) => each.appId === appId)!;
    // Who runs stays before who is dead, and the older before the younger.
    const members = this.#of(appId).sort(
      (one, other) => Number(other.running) - Number(one.running) || one.replica - other.replica,
    );
    const newest = Math.max(0, ...members.map(({ replica }) => replica));
    try {
      await this.#startMembers(replicasOf(app, newest + 1, newest + count - members.length));
      await Promise.all(members.slice(count).map((member) => this.#drain(member)));
      for (const member of members) member.retry();
      return await this.waitUntilComplete(signal, this.#of(appId));
    } catch (error) {
      await Promise.all(this.#members.filter(({ kept }) => !kept).map((member) => this.#drain(member)));
      throw error;
    }
  }

  #of(appId: string): Member[] {
    return this.#members.filter((member) => member.appId === appId);
  }

  /** Several at once; when one does not start, those that did are stopped with the rest. */
  async #startMembers(replicas: readonly Replica[]): Promise<void> {
    const shared = { folder: this.folder, daprd: this.#options.daprd, onEvent: this.#onEvent };
    const starts = replicas.map(async ({ app, replica }) => {
      const env = { ...this.#environment(app), ...this.#options.ownEnv?.(app.appId, replica) };
      const member = await Member.start({ app, replica, ...shared, env });
      // It was told to stop while this looked for ports, and knows nothing of what has just been started.
      if (this.#stopped !== null) {
        await member.stop(STOP_GRACE_MS);
        return;
      }
      this.#members.push(member);
      this.#record();
    });
    const results = await Promise.allSettled(starts);
    const failure = results.find((result) => result.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }

  async #drain(member: Member): Promise<void> {
    await member.stop(DRAIN_GRACE_MS);
    this.#members.splice(this.#members.indexOf(member), 1);
    this.#record();
  }

  /**
   * Waits until the topologies list every one of these members, of all that are to run where none are named, and no other
   * of their app-ids; returns the first that lists any. From then on they are kept: what dies before it has served once is badly configured, and trying
   * again would only hide it.
   */
  async waitUntilComplete(
    signal: AbortSignal,
    members: readonly Member[] = this.#members,
  ): Promise<Topology> {
    const done = new AbortController();
    const appIds = new Set(members.map(({ appId }) => appId));
    const isAbout = ({ stages }: Topology): boolean => stages.some(({ app_id: appId }) => appIds.has(appId));
    const isComplete = (topologies: readonly Topology[]): boolean => {
      const listed = topologies
        .flatMap(({ stages }) => stages)
        .filter((stage) => appIds.has(stage.app_id))
        .flatMap(({ replicas }) => replicas.map(({ pid }) => pid));
      const running = members.filter(({ appId }) => appId !== GATEWAY).map(({ service }) => service.pid);
      return listed.sort().join() === running.sort().join();
    };
    const lost = Promise.race(members.map((member) => member.lost)).then((error) => {
      throw error;
    });
    try {
      const waiting = this.gateway.waitUntilReady(isComplete, {
        timeoutMs:
          READY_TIMEOUT_MS + READY_EACH_MS * members.length + (this.#options.startSeconds ?? 0) * 1000,
        signal: AbortSignal.any([signal, done.signal]),
      });
      const topologies = await Promise.race([waiting, lost]);
      for (const member of members) member.keep();
      return topologies.find(isAbout) ?? topologies[0];
    } finally {
      done.abort();
    }
  }

  readonly #onEvent = (message: string): void => {
    this.#record();
    this.#options.onEvent?.(message);
  };

  /** After every change, so that `down` finds all processes even if this one is killed, and Prometheus all metrics. */
  #record(): void {
    // A change that was under way when it was told to stop; what was recorded before is more, and is removed at the end.
    if (this.#stopped !== null) return;
    const processes = this.#members.flatMap(({ appId, service, sidecar }) => {
      const kind: RecordedProcess['kind'] = appId === GATEWAY ? 'gateway' : 'stage';
      return [recordOf(service, kind), ...(sidecar === null ? [] : [recordOf(sidecar, 'sidecar')])];
    });
    const telemetry = this.#telemetry;
    for (const [kind, kept] of telemetry?.processes ?? []) processes.push(recordOf(kept, kind));
    writeRunState(this.folder.state, {
      version: 1,
      url: this.url,
      supervisor: process.pid,
      processes,
      ...(telemetry !== null && { telemetry: telemetry.urls }),
    });
    telemetry?.scrape(
      this.#members.map(({ appId, replica, healthPort, sidecar, ports }) => ({
        appId,
        replica,
        modelName: modelOf(this.#options, appId).modelName,
        metricsPort: appId === GATEWAY ? this.#port : healthPort,
        sidecarMetricsPort: sidecar === null ? null : ports.metrics,
      })),
    );
  }

  #environment(app: AppEntry): Record<string, string> {
    const { daprd, env } = this.#options;
    const jaeger = this.#telemetry?.urls.jaeger ?? null;
    return {
      ...this.#telemetry?.environment,
      ...(jaeger !== null && { LAYERMESH_TRACE_URL: `${jaeger}/trace/{trace}` }),
      ...env,
      ...stageVariables(modelOf(this.#options, app.appId)),
      LAYERMESH_MESH: daprd === null ? 'direct' : 'dapr',
      LAYERMESH_REGISTRY_DIR: this.folder.registry,
      LAYERMESH_MESH_TOKEN: this.#meshToken,
      ...(app.appId === GATEWAY && {
        LAYERMESH_PORT: String(this.#port),
        ...gatewayVariables(this.#options),
      }),
    };
  }

  async #stop(): Promise<void> {
    for (const gateways of [true, false]) {
      const members = this.#members.filter(({ appId }) => (appId === GATEWAY) === gateways);
      await Promise.all(members.map(({ service }) => service.stop(STOP_GRACE_MS)));
    }
    await Promise.all(this.#members.map((member) => member.stopSidecar()));
    await this.#telemetry?.stop();
    await rm(this.folder.state, { force: true });
    this.#disown();
  }
}
