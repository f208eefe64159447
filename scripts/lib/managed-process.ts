import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { once } from 'node:events';
import { ServingError } from '../../services/lib/errors/serving-error.js';

export interface ProcessSpec {
  /** For messages and the log file, such as `stage-1.2`. */
  readonly name: string;
  readonly command: readonly string[];
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logPath: string;
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
      // The reason comes later as an event, and is always that the program can not be run.
      this.#child.once('error', () => undefined);
      throw new ServingError('process_failed', `${spec.name}: can not run ${spec.command[0] ?? ''}`);
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
    if (this.running) process.kill(-this.pid, 'SIGKILL');
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
