import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { boundLog, type LogBounds } from './bounded-log.js';

export interface ProcessSpec {
  /** For messages and the log file, such as `stage-1.2`. */
  readonly name: string;
  readonly command: readonly string[];
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logPath: string;
  /** How long the log may grow while the process is kept. */
  readonly logBounds?: LogBounds;
}

const TAIL_BYTES = 8192;

/** What still runs when this process exits has no supervisor any more. */
const killedAtExit = new Set<ManagedProcess>();
process.once('exit', () => killedAtExit.forEach((child) => child.kill()));

/**
 * A child process in a group of its own, so that Ctrl-C reaches only the supervisor, which then stops everything
 * in order. It writes its log file itself: no pipe fills up, and the log outlives us. When this process exits
 * without having stopped it, it is killed.
 */
export class ManagedProcess {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the process has ended, such as with `exit code 1` or `signal SIGKILL`. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #logPath: string;

  /** Starts it; throws `process_failed` when that is impossible. */
  constructor(spec: ProcessSpec) {
    this.name = spec.name;
    this.#logPath = spec.logPath;
    this.#child = spawnLogged(spec);
    if (this.#child.pid === undefined) {
      // The reason comes later as an event, and is always that the program cannot be run.
      this.#child.once('error', () => undefined);
      throw new ServingError('process_failed', `${spec.name}: cannot run ${spec.command[0] ?? ''}`);
    }
    this.pid = this.#child.pid;
    killedAtExit.add(this);
    this.ended = once(this.#child, 'exit').then(([code, signal]: (number | string | null)[]) => {
      killedAtExit.delete(this);
      return signal === null ? `exit code ${code ?? '?'}` : `signal ${signal ?? '?'}`;
    });
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Asks for an orderly stop, and kills the process if it has not ended `graceMs` later. */
  async stop(graceMs: number): Promise<void> {
    if (!this.running) return;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.kill(), graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  /** The end of its log. */
  async lastLines(count = 10): Promise<string[]> {
    const file = await open(this.#logPath);
    try {
      const { size } = await file.stat();
      const length = Math.min(size, TAIL_BYTES);
      const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
      return buffer.toString('utf8').trimEnd().split('\n').slice(-count);
    } finally {
      await file.close();
    }
  }

  kill(): void {
    if (!this.running) return;
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      // It has ended, and nobody has been told yet: others are still to be killed.
    }
  }
}

function spawnLogged({ command, directory, env, logPath }: ProcessSpec): ChildProcess {
  const [program, ...args] = command;
  const log = openSync(logPath, 'a');
  try {
    return spawn(program!, args, { cwd: directory, env, stdio: ['ignore', log, log], detached: true });
  } finally {
    closeSync(log);
  }
}

export interface KeepOptions {
  /** Asked when the process has died: whether it is to be started again. */
  readonly mayRestart: () => boolean;
  readonly onEvent: (message: string) => void;
}

interface RestartTiming {
  /** Before the first restart, ms; doubled by each death that follows soon. */
  readonly firstMs: number;
  readonly mostMs: number;
  /** What has lived for so long begins anew with the first pause, ms. */
  readonly stableMs: number;
}

/** Never given up: what made it die may be mended in an hour. */
const TIMING: RestartTiming = { firstMs: 100, mostMs: 60_000, stableMs: 60_000 };

/** Shorter pauses are not worth a line. */
const TELL_MS = 1_000;

/** A process that is reported and started again when it dies unasked, ever later while it dies soon. */
export class KeptProcess {
  /** Resolves when the process has died and may not be started again; never after `stop`. */
  readonly lost: Promise<ServingError>;
  readonly #spec: ProcessSpec;
  readonly #options: KeepOptions;
  readonly #timing: RestartTiming;
  #process: ManagedProcess;
  #startedAt = performance.now();
  #pauseMs = 0;
  #stopping = false;
  #wake = new AbortController();
  readonly #unbindLog: () => void;

  /** Starts it; throws `process_failed` when that is impossible. */
  constructor(spec: ProcessSpec, options: KeepOptions, timing: RestartTiming = TIMING) {
    this.#spec = spec;
    this.#options = options;
    this.#timing = timing;
    this.#process = new ManagedProcess(spec);
    this.#unbindLog = boundLog(spec.logPath, spec.logBounds);
    this.lost = this.#keep().catch((error: unknown) => ServingError.from(error));
  }

  get name(): string {
    return this.#spec.name;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** False while it waits to be started again. */
  get running(): boolean {
    return this.#process.running;
  }

  lastLines(): Promise<string[]> {
    return this.#process.lastLines();
  }

  /** Starts it now if it waits to be started again. */
  retry(): void {
    this.#wake.abort();
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#wake.abort();
    await this.#process.stop(graceMs);
    this.#unbindLog();
  }

  async #keep(): Promise<ServingError> {
    for (;;) {
      const how = await this.#process.ended;
      if (this.#stopping) return never;
      const lines = await this.#process.lastLines().catch(() => []);
      this.#tell([`${this.name} ended with ${how}; its last lines:`, ...lines].join('\n  '));
      if (!this.#options.mayRestart()) {
        this.#unbindLog();
        return new ServingError('process_failed', `${this.name} ended with ${how}`);
      }
      do {
        if (!(await this.#pause())) return never;
      } while (!this.#restart());
    }
  }

  /** False when it was stopped meanwhile. */
  async #pause(): Promise<boolean> {
    // While its last lines were read: what wakes it up has been by already.
    if (this.#stopping) return false;
    const { firstMs, mostMs, stableMs } = this.#timing;
    const stable = performance.now() - this.#startedAt >= stableMs;
    this.#pauseMs = stable ? firstMs : Math.min(Math.max(firstMs, this.#pauseMs * 2), mostMs);
    if (this.#pauseMs >= TELL_MS) {
      this.#tell(`${this.name} is started again in ${(this.#pauseMs / 1000).toFixed(0)} s`);
    }
    this.#wake = new AbortController();
    await delay(this.#pauseMs, undefined, { signal: this.#wake.signal }).catch(() => undefined);
    return !this.#stopping;
  }

  /** Whoever is told writes it down, and fails where the disk is full: the process is kept all the same. */
  #tell(message: string): void {
    try {
      this.#options.onEvent(message);
    } catch (error) {
      console.error(ServingError.from(error).toLine('warning'));
    }
  }

  /** False when it cannot be started at present. */
  #restart(): boolean {
    this.#startedAt = performance.now();
    try {
      this.#process = new ManagedProcess(this.#spec);
    } catch (error) {
      this.#tell(ServingError.from(error).message);
      return false;
    }
    this.#tell(`${this.name} started again`);
    return true;
  }
}

const never = new Promise<never>(() => undefined);
