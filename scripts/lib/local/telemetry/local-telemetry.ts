import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { repositoryRoot } from '../../repository.js';
import { operatorKey } from '../../shown-keys.js';
import { waitUntil } from '../../wait-until.js';
import { KeptProcess } from '../processes/kept-process.js';
import type { RunFolder } from '../run/run-folder.js';
import { telemetryPrograms, type TelemetryProgram, type TelemetryPrograms } from './programs.js';
import {
  choosePorts,
  HOST,
  portVariables,
  targetsOf,
  writeTargets,
  type Scraped,
  type TelemetryPorts,
} from './targets.js';

interface TelemetryOptions {
  readonly programs: TelemetryPrograms;
  readonly folder: RunFolder;
  readonly modelName: string;
  /** Told when one of them dies or is started again; serving goes on. */
  readonly onEvent: (message: string) => void;
}

/** Where to look, for people and for the report; null for what does not run. */
export interface TelemetryUrls {
  readonly jaeger: string | null;
  readonly prometheus: string | null;
  /** Takes spans by OTLP over HTTP. */
  readonly otlp: string | null;
}

const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 100;
/** The collector passes on what it holds; the others only close their files. */
const STOP_GRACE_MS = 5_000;

const configOf = (...path: string[]): string => join(repositoryRoot, 'otel', ...path);

/** A later layer is merged over the earlier ones. */
const layersOf = (folder: string, names: readonly string[]): string[] =>
  names.flatMap((name) => ['--config', configOf(folder, name)]);

/**
 * The collector, Jaeger and Prometheus of a local system, as far as they are installed. Services send spans to the
 * collector, or straight to Jaeger where there is none. Nothing that serves depends on any of them.
 */
export class LocalTelemetry {
  readonly urls: TelemetryUrls;
  /** Host and port that take spans by OTLP over gRPC, for the sidecars. */
  readonly otlpGrpc: string | null;
  readonly #options: TelemetryOptions;
  readonly #ports: TelemetryPorts;
  readonly #processes = new Map<TelemetryProgram, KeptProcess>();
  #ready = false;

  private constructor(options: TelemetryOptions, ports: TelemetryPorts) {
    const { collector, jaeger, prometheus } = options.programs;
    this.#options = options;
    this.#ports = ports;
    const receiver = collector !== null ? ports.collector : jaeger !== null ? ports.jaeger : null;
    this.otlpGrpc = receiver === null ? null : `${HOST}:${receiver.otlpGrpc}`;
    this.urls = {
      jaeger: jaeger === null ? null : `http://${HOST}:${ports.jaeger.ui}`,
      prometheus: prometheus === null ? null : `http://${HOST}:${ports.prometheus}`,
      otlp: receiver === null ? null : `http://${HOST}:${receiver.otlpHttp}`,
    };
  }

  /** Starts what is installed, without waiting for it. Throws `process_failed` for a program that cannot be run. */
  static async start(options: TelemetryOptions): Promise<LocalTelemetry> {
    const telemetry = new LocalTelemetry(options, await choosePorts());
    await mkdir(telemetry.#folder, { recursive: true });
    // Prometheus watches the folder of the targets from its start.
    telemetry.scrape([]);
    try {
      await telemetry.#start();
      return telemetry;
    } catch (error) {
      await telemetry.stop();
      throw error;
    }
  }

  /** What a service needs to send its spans, in the variables of OpenTelemetry. */
  get environment(): Record<string, string> {
    const { otlp } = this.urls;
    if (otlp === null) return {};
    return { OTEL_EXPORTER_OTLP_ENDPOINT: otlp, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' };
  }

  get processes(): ReadonlyMap<TelemetryProgram, KeptProcess> {
    return this.#processes;
  }

  /** Tells Prometheus who is there now. */
  scrape(processes: readonly Scraped[]): void {
    const collector = this.#options.programs.collector === null ? null : this.#ports.collector;
    writeTargets(join(this.#folder, 'targets'), targetsOf(processes, this.#options.modelName, collector));
  }

  /** Waits until all answer, but not for long: what does not is reported, and served without. */
  async waitUntilReady(signal: AbortSignal): Promise<void> {
    const { collector, jaeger, prometheus } = this.#ports;
    const pages: Record<TelemetryProgram, string> = {
      // Any answer will do: it says that the receiver listens.
      collector: `http://${HOST}:${collector.otlpHttp}/`,
      jaeger: `http://${HOST}:${jaeger.ui}/api/services`,
      prometheus: `http://${HOST}:${prometheus}/-/ready`,
    };
    await Promise.all(
      [...this.#processes].map(async ([program, { name, lost }]) => {
        const gone = new AbortController();
        void lost.then(() => gone.abort());
        const look = async (): Promise<boolean> =>
          gone.signal.aborted || (await answers(pages[program], program === 'collector'));
        if ((await waitUntil(look, { every: POLL_MS, limit: READY_TIMEOUT_MS, signal })) === null) {
          this.#options.onEvent(`${name} does not answer after ${READY_TIMEOUT_MS / 1000} s`);
        }
      }),
    );
    this.#ready = true;
  }

  /** One after another, each after those that send to it. The services have stopped before. */
  async stop(): Promise<void> {
    for (const program of telemetryPrograms) await this.#processes.get(program)?.stop(STOP_GRACE_MS);
  }

  get #folder(): string {
    return join(this.#options.folder.path, 'telemetry');
  }

  async #start(): Promise<void> {
    const { collector, jaeger, prometheus } = this.#options.programs;
    if (prometheus !== null) this.#keep('prometheus', [prometheus, ...(await this.#prometheusArguments())]);
    if (jaeger !== null) {
      const layers = prometheus === null ? ['config.yaml'] : ['config.yaml', 'monitor.yaml'];
      this.#keep('jaeger', [jaeger, ...layersOf('jaeger', layers)]);
    }
    if (collector !== null) {
      const layers = jaeger === null ? ['base.yaml'] : ['base.yaml', 'jaeger.yaml'];
      this.#keep('collector', [collector, ...layersOf('collector', layers)]);
    }
  }

  #keep(program: TelemetryProgram, command: readonly string[]): void {
    const { folder, onEvent } = this.#options;
    const spec = {
      name: program,
      command,
      directory: this.#folder,
      env: { ...process.env, ...portVariables(this.#ports) },
      logPath: folder.log(program),
    };
    // What dies before it has been ready once is badly configured: trying again would only hide it.
    this.#processes.set(program, new KeptProcess(spec, { mayRestart: () => this.#ready, onEvent }));
  }

  /** Prometheus looks for targets beside its configuration, so a copy of it goes into the run's folder. */
  async #prometheusArguments(): Promise<string[]> {
    const original = configOf('prometheus', 'prometheus.yaml');
    const config = parse(await readFile(original, 'utf8')) as {
      readonly rule_files: readonly string[];
      readonly scrape_configs: readonly { readonly job_name: string }[];
    };
    const rules = config.rule_files.map((path) => join(original, '..', path));
    const path = join(this.#folder, 'prometheus.yaml');
    const { authorization } = operatorKey();
    const jobs = config.scrape_configs.map((job) =>
      authorization !== undefined && job.job_name === 'layermesh-gateway'
        ? { ...job, authorization: { credentials: authorization.replace('Bearer ', '') } }
        : job,
    );
    const text = stringify({ ...config, rule_files: rules, scrape_configs: jobs });
    await writeFile(path, text, { mode: 0o600 });
    return [
      `--config.file=${path}`,
      `--storage.tsdb.path=${join(this.#folder, 'prometheus')}`,
      `--web.listen-address=${HOST}:${this.#ports.prometheus}`,
      '--enable-feature=exemplar-storage',
      '--log.level=warn',
    ];
  }
}

async function answers(url: string, withAnything: boolean): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(POLL_MS * 10) });
    await response.body?.cancel();
    return withAnything || response.ok;
  } catch {
    return false;
  }
}
