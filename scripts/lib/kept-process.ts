import { setTimeout as sleep } from 'node:timers/promises';
import { ServingError } from '../../services/lib/errors/serving-error.js';
import { ManagedProcess, type ProcessSpec } from './managed-process.js';

export interface KeepOptions {
  /** Asked when the process has died: whether it is to be started again. */
  readonly mayRestart: () => boolean;
  readonly onEvent: (message: string) => void;
}

const MOST_RESTARTS = 3;
const FIRST_BACKOFF_MS = 500;

/** A process that is reported and, a few times, started again when it dies unasked. */
export class KeptProcess {
  /** Resolves when the process has died and stays dead; never after `stop`. */
  readonly lost: Promise<ServingError>;
  readonly #spec: ProcessSpec;
  readonly #options: KeepOptions;
  readonly #stopping = new AbortController();
  #process: ManagedProcess;

  /** Starts it; throws `process_failed` when that is impossible. */
  constructor(spec: ProcessSpec, options: KeepOptions) {
    this.#spec = spec;
    this.#options = options;
    this.#process = new ManagedProcess(spec);
    this.lost = this.#keep().catch((error: unknown) => ServingError.from(error));
  }

  get name(): string {
    return this.#spec.name;
  }

  get pid(): number {
    return this.#process.pid;
  }

  lastLines(): Promise<string[]> {
    return this.#process.lastLines();
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    await this.#process.stop(graceMs);
  }

  async #keep(): Promise<ServingError> {
    for (let restarts = 0; ; restarts++) {
      const how = await this.#process.ended;
      if (this.#stopping.signal.aborted) return never;
      const lines = await this.#process.lastLines();
      this.#options.onEvent([`${this.#spec.name} ended with ${how}; its last lines:`, ...lines].join('\n  '));
      if (restarts === MOST_RESTARTS || !this.#options.mayRestart()) {
        return new ServingError('process_failed', `${this.#spec.name} ended with ${how}`);
      }
      if (!(await this.#pause(FIRST_BACKOFF_MS * 2 ** restarts))) return never;
      this.#process = new ManagedProcess(this.#spec);
      this.#options.onEvent(`${this.#spec.name} started again, ${MOST_RESTARTS - restarts - 1} more times`);
    }
  }

  /** False when it was stopped meanwhile. */
  async #pause(ms: number): Promise<boolean> {
    return sleep(ms, true, { signal: this.#stopping.signal }).catch(() => false);
  }
}

const never = new Promise<never>(() => undefined);
