import { randomBytes } from 'node:crypto';
import { KeptProcess, type KeepOptions } from './kept-process.js';
import { freePorts } from './ports.js';
import type { AppEntry } from './run-file.js';
import type { RunFolder } from './run-folder.js';
import { sidecarArguments, type SidecarPorts } from './sidecar.js';

export interface MemberOptions extends Pick<KeepOptions, 'onEvent'> {
  readonly app: AppEntry;
  /** Counts the replicas of the app from 1. */
  readonly replica: number;
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
  readonly apiToken: string;
  readonly service: KeptProcess;
  readonly sidecar: KeptProcess | null;
  /** Resolves when one of the two has died before `keep` was called. */
  readonly lost: Promise<Error>;

  readonly #keeping: Keeping;

  private constructor(
    options: MemberOptions,
    ports: SidecarPorts,
    healthPort: number,
    apiToken: string,
    keeping: Keeping,
    service: KeptProcess,
    sidecar: KeptProcess | null,
  ) {
    this.appId = options.app.appId;
    this.replica = options.replica;
    this.ports = ports;
    this.healthPort = healthPort;
    this.apiToken = apiToken;
    this.#keeping = keeping;
    this.service = service;
    this.sidecar = sidecar;
    this.lost = Promise.race([service.lost, ...(sidecar === null ? [] : [sidecar.lost])]);
  }

  /** Starts both at once: each waits by itself for the other. */
  static async start(options: MemberOptions): Promise<Member> {
    const { app, replica, folder, daprd, onEvent } = options;
    const keeping: Keeping = { on: false };
    const keep = { mayRestart: () => keeping.on, onEvent };
    const name = `${app.appId}.${replica}`;
    const [http, grpc, internalGrpc, metrics, appPort, health] = (await freePorts(6)) as SixPorts;
    const ports = { http, grpc, internalGrpc, metrics, app: app.serves ? appPort : null };
    const tokens = { DAPR_API_TOKEN: randomToken(), APP_API_TOKEN: randomToken() };
    const startSidecar = (path: string): KeptProcess =>
      new KeptProcess(
        {
          name: `${name}.daprd`,
          command: [path, ...sidecarArguments(app, ports)],
          directory: app.directory,
          env: { ...process.env, ...tokens },
          logPath: folder.log(`${name}.daprd`),
        },
        keep,
      );
    const service = new KeptProcess(
      {
        name,
        command: app.command.map((word) => (word === 'node' ? process.execPath : word)),
        directory: app.directory,
        env: {
          ...app.env,
          ...process.env,
          ...options.env,
          ...tokens,
          APP_ID: app.appId,
          ...(daprd !== null && { DAPR_HTTP_PORT: String(http), DAPR_GRPC_PORT: String(grpc) }),
          ...(app.serves && { APP_PORT: String(appPort), LAYERMESH_HTTP_PORT: String(health) }),
        },
        logPath: folder.log(name),
      },
      keep,
    );
    const sidecar = daprd === null ? null : startSidecar(daprd);
    return new Member(options, ports, health, tokens.DAPR_API_TOKEN, keeping, service, sidecar);
  }

  /** Whether both processes run. */
  get running(): boolean {
    return this.service.running && this.sidecar?.running !== false;
  }

  /** Has both started again from now on, however often they die. Before, a death says that they can not run at all. */
  keep(): void {
    this.#keeping.on = true;
  }

  get kept(): boolean {
    return this.#keeping.on;
  }

  /** Starts now what waits to be started again. */
  retry(): void {
    this.service.retry();
    this.sidecar?.retry();
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

interface Keeping {
  on: boolean;
}

/** Of 256 bits. */
export const randomToken = (): string => randomBytes(32).toString('hex');

type SixPorts = [number, number, number, number, number, number];
