import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { within } from '../../wait-until.js';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { sidecarArguments, type SidecarPorts } from '../../local/processes/member.js';
import { freePort, freePorts } from '../../local/processes/ports.js';
import { ManagedProcess } from '../../local/processes/kept-process.js';
import { readRunFile, type AppEntry } from '../../local/run/run-file.js';
import { RunFolder } from '../../local/run/run-folder.js';
import { readProcess } from '../figures/usage.js';
import type { Orders, Transfers } from './peer.js';

interface PairOptions {
  /** The compiled checkout whose links are measured. */
  readonly root: string;
  /** Path of the sidecars' program; null for the direct route alone. */
  readonly daprd: string | null;
}

export interface Sample {
  /** One-way, ms, of each transfer. */
  readonly hops: readonly number[];
  readonly bytes: number;
  /** Seconds of processor time: of both services, and of both sidecars. */
  readonly services: number;
  readonly sidecars: number;
}

const BYTES_PER_VALUE = Uint16Array.BYTES_PER_ELEMENT;
const ORDER_PATIENCE_MS = 120_000;
const STOP_GRACE_MS = 3_000;
const MOST_ATTEMPTS = 3;

/** Two services of one checkout with a link through their sidecars and one without, kept for a whole run. */
export class Pair {
  readonly #sender: Peer;
  readonly #receiver: Peer;
  readonly #folder: RunFolder;
  readonly #disown: () => void;
  readonly #sidecars: ManagedProcess[] = [];

  /** Starts both, and their sidecars, as `npm run up` does, and opens the links. */
  static async start(options: PairOptions): Promise<Pair> {
    for (let attempt = 1; ; attempt++) {
      const pair = new Pair(options.root, new RunFolder(await freePort()));
      try {
        await pair.#start(options.daprd);
        return pair;
      } catch (error) {
        // Ports that were free a moment ago may be taken by the time a sidecar listens: it has ended then.
        const isWithoutSidecar = pair.#sidecars.some(({ running }) => !running);
        await pair.stop();
        if (!isWithoutSidecar || attempt === MOST_ATTEMPTS) throw error;
      }
    }
  }

  private constructor(root: string, folder: RunFolder) {
    this.#folder = folder;
    this.#disown = folder.own();
    const module = join(root, 'dist', 'scripts', 'lib', 'measure', 'hops', 'peer.js');
    this.#sender = new Peer(module);
    this.#receiver = new Peer(module);
  }

  async #start(daprd: string | null): Promise<void> {
    await this.#folder.renew();
    const app = await this.#receiver.ask('listen');
    await this.#sender.ask('open', { route: 'direct', grpc: 0, http: 0, app });
    if (daprd === null) return;
    const { stages } = await readRunFile();
    // Both have the same files, which no sidecar may read while they are written.
    const caller = await this.#folder.localize(stages[0]!);
    const callee = await this.#folder.localize(stages[1]!);
    await this.#startSidecar(daprd, callee, app);
    const { grpc, http } = await this.#startSidecar(daprd, caller, null);
    await this.#sender.ask('open', { route: 'dapr', grpc, http, app });
  }

  /** `app` is the port of the service that it calls; null where it calls none. */
  async #startSidecar(daprd: string, entry: AppEntry, app: number | null): Promise<SidecarPorts> {
    const [http, grpc, internalGrpc, metrics] = (await freePorts(4)) as [number, number, number, number];
    const ports = { http, grpc, internalGrpc, metrics, app };
    const name = `${entry.appId}.daprd`;
    this.#sidecars.push(
      new ManagedProcess({
        name,
        command: [daprd, ...sidecarArguments(entry, ports)],
        directory: this.#folder.path,
        env: process.env,
        logPath: this.#folder.log(name),
      }),
    );
    return ports;
  }

  /** Throws `internal` where what arrived is not what was sent. */
  async measure(transfers: Transfers): Promise<Sample> {
    await this.#receiver.ask('expect', transfers);
    const [services, sidecars] = [this.#servicesCpu(), this.#sidecarsCpu()];
    // Beside the pauses that were asked for.
    const patienceMs = ORDER_PATIENCE_MS + transfers.count * transfers.pauseMs;
    const sent = await this.#sender.ask('send', transfers, patienceMs);
    const used = { services: this.#servicesCpu() - services, sidecars: this.#sidecarsCpu() - sidecars };
    const arrived = await this.#receiver.ask('arrivals');
    if (arrived.digest !== sent.digest || arrived.times.length !== sent.times.length)
      throw new ServingError('internal', 'what arrived is not what was sent');
    return {
      hops: arrived.times.map((time, index) => time - sent.times[index]!),
      bytes: transfers.count * transfers.rows * transfers.hidden * BYTES_PER_VALUE,
      ...used,
    };
  }

  async stop(): Promise<void> {
    this.#sender.stop();
    this.#receiver.stop();
    await Promise.all(this.#sidecars.map((sidecar) => sidecar.stop(STOP_GRACE_MS)));
    await this.#folder.remove();
    this.#disown();
  }

  #servicesCpu(): number {
    return cpuOf([this.#sender.pid, this.#receiver.pid]);
  }

  #sidecarsCpu(): number {
    return cpuOf(this.#sidecars.map(({ pid }) => pid));
  }
}

const cpuOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + (readProcess(pid)?.cpuSeconds ?? 0), 0);

type Answer = { readonly value: unknown } | { readonly error: string };

/** A forked peer.ts, given one order at a time; each is answered, fails with what failed there, or in time. */
class Peer {
  readonly pid: number;
  readonly #child: ChildProcess;

  constructor(module: string) {
    this.#child = fork(module, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.pid = this.#child.pid!;
  }

  async ask<Name extends keyof Orders>(
    name: Name,
    argument?: Parameters<Orders[Name]>[0],
    patienceMs = ORDER_PATIENCE_MS,
  ): Promise<Awaited<ReturnType<Orders[Name]>>> {
    const over = new AbortController();
    try {
      return await within(patienceMs, over.signal, (signal) => this.#ask(name, argument, signal));
    } finally {
      over.abort();
    }
  }

  async #ask<Name extends keyof Orders>(
    name: Name,
    argument: Parameters<Orders[Name]>[0],
    signal: AbortSignal,
  ): Promise<Awaited<ReturnType<Orders[Name]>>> {
    this.#child.send({ name, argument });
    const ended = once(this.#child, 'exit', { signal }).then(() => {
      throw new ServingError('process_failed', `a service ended before it had done "${name}"`);
    });
    const answered = once(this.#child, 'message', { signal });
    const [answer] = (await Promise.race([answered, ended])) as [Answer];
    if ('error' in answer) throw new ServingError('internal', `${name}: ${answer.error}`);
    return answer.value as Awaited<ReturnType<Orders[Name]>>;
  }

  stop(): void {
    this.#child.kill();
  }
}
