import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { cacheDirectory } from '../../../bootstrap/cache.mjs';
import { lockHolder, tryLock } from '../../../bootstrap/lock.mjs';
import type { AppEntry } from './run-file.js';
import { inRedis, isStateStore, type StateStore } from '../state-store.js';

/** Everything that one run of the local system writes, by its HTTP port, so that two systems never meet. */
export class RunFolder {
  readonly path: string;
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
    this.path = join(runsDirectory(), String(port));
  }

  get registry(): string {
    return join(this.path, 'registry');
  }

  get state(): string {
    return join(this.path, 'state.json');
  }

  get socket(): string {
    return join(this.path, 'control.sock');
  }

  /** The living process that owns the folder; null where there is none. */
  get owner(): number | null {
    return lockHolder(this.#lock);
  }

  /**
   * Makes this process the one that may write here and stop what is recorded here, until the function returned is
   * called. Throws `port_in_use` while another is.
   */
  own(): () => void {
    const release = tryLock(this.#lock);
    if (release === null) throw this.inUse();
    return release;
  }

  inUse(): ServingError {
    const pid = this.owner === null ? '' : ` (pid ${this.owner})`;
    return new ServingError('port_in_use', `a local system has port ${this.#port} already${pid}`, {
      hint: 'npm run down stops it; --port starts another beside it',
    });
  }

  log(name: string): string {
    return join(this.path, 'logs', `${name}.log`);
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }

  /** Beside the folder, which comes and goes. */
  get #lock(): string {
    return `${this.path}.lock`;
  }

  /** Removes what an earlier run left, and makes anew what all processes of a run share. */
  async renew(): Promise<void> {
    await this.remove();
    await mkdir(join(this.path, 'logs'), { recursive: true });
    await mkdir(this.registry);
    for (const name of DATABASES) await writeFile(join(this.path, name), emptyDatabase());
  }

  /**
   * Copies the app's Dapr files with the SQLite files of this run in them, and returns the app as it runs from
   * the copies. Its sidecar exports spans to `otlpGrpc`, a host and a port, where that is not null, and keeps its state in `state`.
   */
  async localize(
    app: AppEntry,
    otlpGrpc: string | null = null,
    state: StateStore = 'sqlite',
  ): Promise<AppEntry> {
    const configPath = join(this.path, 'config.yaml');
    const resources = join(this.path, 'resources');
    await mkdir(resources, { recursive: true });
    const configuration = withTracing(await readYaml(app.configPath), otlpGrpc);
    await writeYaml(configPath, withOwnFiles(configuration, this.path));
    for (const folder of app.resourcesPaths) {
      for (const name of await readdir(folder)) {
        const document = name.endsWith('.yaml') ? await readYaml(join(folder, name)) : null;
        if (isResource(document)) await writeYaml(join(resources, name), this.#localized(document, state));
      }
    }
    return { ...app, configPath, resourcesPaths: [resources] };
  }

  /** What is in a Redis outlives the run, and is found again by the next one of this machine and port. */
  #localized(document: unknown, state: StateStore): unknown {
    if (state === 'sqlite' || !isStateStore(document)) return withOwnFiles(document, this.path);
    return inRedis(document, state, `layermesh-${hostname()}-${this.#port}`);
  }
}

/** As dapr/config.yaml and components/ name them. */
const DATABASES = ['layermesh-names.sqlite', 'layermesh-state.sqlite'];

/**
 * An SQLite file without tables (sqlite.org/fileformat.html), with a write-ahead log. Each sidecar would bring a new file into
 * that mode, and of several that do so at once one in twenty finds it locked: there SQLite does not wait, and the
 * sidecar goes on without names.
 */
function emptyDatabase(): Buffer {
  const page = Buffer.alloc(4_096);
  page.write('SQLite format 3\0', 'latin1');
  page.writeUInt16BE(page.length, 16);
  // Written and read with a write-ahead log; no bytes reserved; three constants.
  page.set([2, 2, 0, 64, 32, 32], 18);
  // Changed once, one page long, and the same change is what the version of SQLite is that of.
  for (const offset of [24, 28, 92]) page.writeUInt32BE(1, offset);
  page.writeUInt32BE(3_040_001, 96);
  // The table of tables: a leaf whose cells would begin at the page's end, and without any.
  page.set([13, 0, 0, 0, 0, page.length >> 8, 0, 0], 100);
  return page;
}

export const runsDirectory = (): string => join(cacheDirectory(), 'run');

/** What a sidecar loads from its resources, not a configuration, a run file or a kustomization beside them. */
function isResource(document: unknown): boolean {
  const { apiVersion, kind } = (document ?? {}) as { apiVersion?: string; kind?: string };
  return apiVersion?.startsWith('dapr.io/') === true && kind !== 'Configuration';
}

/**
 * The document with the SQLite files in it moved into `folder`: a configuration names one under the key
 * `connectionString`, a component in a metadata item of that name.
 */
function withOwnFiles(value: unknown, folder: string): unknown {
  if (Array.isArray(value)) return value.map((item) => withOwnFiles(item, folder));
  if (value === null || typeof value !== 'object') return value;
  const isNamed = 'name' in value && value.name === 'connectionString';
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === 'connectionString' || (isNamed && key === 'value')
        ? join(folder, String(item))
        : withOwnFiles(item, folder),
    ]),
  );
}

const readYaml = async (path: string): Promise<unknown> => parse(await readFile(path, 'utf8'));

/** For this user alone: the password of a store may be in it. */
const writeYaml = (path: string, document: unknown): Promise<void> =>
  writeFile(path, stringify(document), { mode: 0o600 });

/**
 * Of how many streams that arrive unsampled Dapr begins a trace of its own: practically none. It must not be 0, which
 * would make a sidecar ignore also what arrives sampled.
 */
const SAMPLING_RATE = '0.000000000001';

/**
 * The sidecar's configuration, exporting the spans of what arrives sampled to an OTLP endpoint (host and port of gRPC);
 * unchanged without one.
 */
function withTracing(configuration: unknown, endpoint: string | null): unknown {
  if (endpoint === null) return configuration;
  const { spec, ...rest } = configuration as { spec: object };
  const otel = { endpointAddress: endpoint, isSecure: false, protocol: 'grpc' };
  return { ...rest, spec: { ...spec, tracing: { samplingRate: SAMPLING_RATE, otel } } };
}
