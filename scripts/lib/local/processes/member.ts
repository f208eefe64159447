import { randomBytes } from 'node:crypto';
import { freePorts } from './ports.js';
import { KeptProcess, type KeepOptions } from './kept-process.js';
import type { AppEntry } from '../run/run-file.js';
import type { RunFolder } from '../run/run-folder.js';

/** One of the processes of an app. */
export interface Replica {
  readonly app: AppEntry;
  /** Counts the replicas of the app from 1. */
  readonly replica: number;
}

export const replicasOf = (app: AppEntry, first: number, last: number): Replica[] =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => ({ app, replica: first + index }));

interface MemberOptions extends Replica, Pick<KeepOptions, 'onEvent'> {
  readonly folder: RunFolder;
  /** Path of the sidecar's program; null in the direct mesh. */
  readonly daprd: string | null;
  /** Goes before the app's own environment and this process's. */
  readonly env: Readonly<Record<string, string>>;
}

const SIDECAR_GRACE_MS = 3_000;

/** One service process and its sidecar. */
export class Member {
  readonly appId: string;
  readonly replica: number;
  readonly ports: SidecarPorts;
  /** Where the service itself serves `/health` and `/metrics`. */
  readonly healthPort: number;
  /** What the sidecar's API wants to be shown. Known to the two processes of this member, and passed by their environment. */
  readonly apiToken = randomToken();
  readonly service: KeptProcess;
  readonly sidecar: KeptProcess | null;
  /** Resolves when one of the two has died before `keep` was called. */
  readonly lost: Promise<Error>;
  #kept = false;

  /** Starts both at once: each waits by itself for the other. */
  static async start(options: MemberOptions): Promise<Member> {
    return new Member(options, (await freePorts(6)) as SixPorts);
  }

  private constructor(
    { app, replica, folder, daprd, env, onEvent }: MemberOptions,
    [http, grpc, internalGrpc, metrics, appPort, health]: SixPorts,
  ) {
    this.appId = app.appId;
    this.replica = replica;
    this.ports = { http, grpc, internalGrpc, metrics, app: app.serves ? appPort : null };
    this.healthPort = health;
    const tokens = { DAPR_API_TOKEN: this.apiToken, APP_API_TOKEN: randomToken() };
    const start = (
      name: string,
      command: readonly string[],
      own: Readonly<Record<string, string | undefined>>,
    ): KeptProcess =>
      new KeptProcess(
        { name, command, directory: app.directory, env: { ...own, ...tokens }, logPath: folder.log(name) },
        { mayRestart: () => this.#kept, onEvent },
      );
    const name = `${app.appId}.${replica}`;
    this.service = start(
      name,
      app.command.map((word) => (word === 'node' ? process.execPath : word)),
      {
        ...app.env,
        ...process.env,
        ...env,
        APP_ID: app.appId,
        ...(daprd !== null && { DAPR_HTTP_PORT: String(http), DAPR_GRPC_PORT: String(grpc) }),
        ...(app.serves && { APP_PORT: String(appPort), LAYERMESH_HTTP_PORT: String(health) }),
      },
    );
    this.sidecar =
      daprd === null
        ? null
        : start(`${name}.daprd`, [daprd, ...sidecarArguments(app, this.ports)], process.env);
    this.lost = Promise.race(this.processes.map(({ lost }) => lost));
  }

  get processes(): readonly KeptProcess[] {
    return this.sidecar === null ? [this.service] : [this.service, this.sidecar];
  }

  /** Whether both processes run. */
  get running(): boolean {
    return this.processes.every(({ running }) => running);
  }

  /** Has both started again from now on, however often they die. Before, a death says that they cannot run at all. */
  keep(): void {
    this.#kept = true;
  }

  get kept(): boolean {
    return this.#kept;
  }

  /** Starts now what waits to be started again. */
  retry(): void {
    for (const each of this.processes) each.retry();
  }

  /** The service first: it needs its sidecar to say goodbye. */
  async stop(serviceGraceMs: number): Promise<void> {
    await this.service.stop(serviceGraceMs);
    await this.stopSidecar();
  }

  async stopSidecar(): Promise<void> {
    await this.sidecar?.stop(SIDECAR_GRACE_MS);
  }
}

/** Of 256 bits. */
export const randomToken = (): string => randomBytes(32).toString('hex');

type SixPorts = [number, number, number, number, number, number];

/** Ports on 127.0.0.1. */
export interface SidecarPorts {
  readonly http: number;
  readonly grpc: number;
  readonly internalGrpc: number;
  readonly metrics: number;
  /** The app's, where the sidecar calls it. */
  readonly app: number | null;
}

const LOOPBACK = '127.0.0.1';

/** What the Dapr CLI would give to daprd for this app, and what a run file cannot say. */
export function sidecarArguments(app: AppEntry, ports: SidecarPorts): string[] {
  const options: Record<string, string | number> = {
    'app-id': app.appId,
    'app-protocol': app.appProtocol,
    'app-channel-address': LOOPBACK,
    'dapr-http-port': ports.http,
    'dapr-grpc-port': ports.grpc,
    'dapr-internal-grpc-port': ports.internalGrpc,
    'metrics-port': ports.metrics,
    config: app.configPath,
    'max-body-size': app.maxBodySize,
    'log-level': app.logLevel,
    // The default is every interface of the machine; the internal address is also what name resolution tells.
    'dapr-listen-addresses': LOOPBACK,
    'dapr-internal-grpc-listen-address': LOOPBACK,
    'metrics-listen-address': LOOPBACK,
    // Streams are closed by the services before their sidecars stop, so there is nothing to wait for.
    'dapr-graceful-shutdown-seconds': 1,
    // Endpoints of the app that the sidecar would ask at its start; Layermesh's services have neither.
    'disable-init-endpoints': 'config,subscribe',
  };
  if (ports.app !== null) options['app-port'] = ports.app;
  return [
    ...Object.entries(options).map(([name, value]) => `--${name}=${value}`),
    ...app.resourcesPaths.map((path) => `--resources-path=${path}`),
    '--log-as-json',
  ];
}
