import { Worker } from 'node:worker_threads';
import type { ErrorCode } from '../../lib/errors/catalogue.js';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { ModelText } from '../../lib/model/text/encode-chat.js';
import { sizeOf, type TextResult, type TextTask } from './text-task.js';

/** How a worker starts: it reads the model's text files itself, for copying a vocabulary takes the event loop long. */
export interface TextWorkerData {
  /** Folder of the prepared model; null of a model that nobody has trained. */
  readonly prepared: string | null;
  /** Rows of the embedding. */
  readonly vocabulary: number;
  readonly specialTokensInContent: ModelText['specialTokensInContent'];
}

export type TextReply =
  | { readonly type: 'ready' }
  | { readonly type: 'done'; readonly result: TextResult }
  | {
      readonly type: 'failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly param: string | null;
      readonly hint: string;
    };

export interface TextPoolLimits {
  readonly workers: number;
  /** Tasks that wait for a worker; more are refused. */
  readonly maxWaiting: number;
  /** What one task may take, ms. */
  readonly timeoutMs: number;
}

export const TEXT_POOL_LIMITS: TextPoolLimits = { workers: 2, maxWaiting: 64, timeoutMs: 30_000 };

/** Longer ones leave a worker to the others, and are not worth ending when nobody waits for them any more. */
const LONG = 64 << 10;
/** Short ones go first; each millisecond of waiting makes one so many characters shorter, so that all get their turn. */
const AGING = 100;

interface Job {
  readonly task: TextTask;
  readonly size: number;
  readonly since: number;
  readonly signal: AbortSignal;
  readonly resolve: (result: TextResult) => void;
  readonly reject: (reason: unknown) => void;
  readonly leave: () => void;
}

interface Slot {
  worker: Worker | null;
  job: Job | null;
  /** Of the job. */
  deadline?: NodeJS.Timeout;
  /** Whether its worker is being ended: what that has still said comes before its end, and changes nothing. */
  ending: boolean;
}

export function startTextWorker(workerData: TextWorkerData): Worker {
  return new Worker(new URL('./text-worker.js', import.meta.url), { workerData });
}

/** Runs tasks in a few worker threads, each started when it is first needed, and again after its end. */
export class TextPool {
  readonly #start: () => Worker;
  readonly #limits: TextPoolLimits;
  readonly #slots: Slot[];
  readonly #queue: Job[] = [];

  constructor(start: () => Worker, limits: TextPoolLimits = TEXT_POOL_LIMITS) {
    this.#start = start;
    this.#limits = limits;
    this.#slots = Array.from({ length: limits.workers }, () => ({ worker: null, job: null, ending: false }));
  }

  get waiting(): number {
    return this.#queue.length;
  }

  get running(): number {
    return this.#slots.filter(({ job }) => job !== null).length;
  }

  /**
   * Rejects with what the task throws, `too_many_requests` when too many wait, `request_too_large` when it takes too long, and
   * the signal's reason.
   */
  run(task: TextTask, signal: AbortSignal): Promise<TextResult> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const leave = (): void => this.#leave(job);
      const job: Job = {
        task,
        size: sizeOf(task),
        since: performance.now(),
        signal,
        resolve,
        reject,
        leave,
      };
      this.#queue.push(job);
      signal.addEventListener('abort', leave, { once: true });
      this.#assign();
      if (this.#queue.length <= this.#limits.maxWaiting) return;
      this.#queue.splice(this.#queue.indexOf(job), 1);
      settle(job).reject(new ServingError('too_many_requests', `${this.waiting} long texts wait`));
    });
  }

  /** Ends what runs; nobody is to ask any more. */
  async close(): Promise<void> {
    const closed = new ServingError('internal', 'the gateway has stopped');
    for (const job of this.#queue.splice(0)) settle(job).reject(closed);
    await Promise.all(this.#slots.flatMap(({ worker }) => worker?.terminate() ?? []));
  }

  #leave(job: Job): void {
    settle(job).reject(job.signal.reason);
    const at = this.#queue.indexOf(job);
    if (at >= 0) this.#queue.splice(at, 1);
    else if (job.size > LONG) for (const slot of this.#slots) if (slot.job === job) end(slot);
  }

  #assign(): void {
    for (const slot of this.#slots) {
      if (slot.job !== null) continue;
      const job = this.#next();
      if (job === undefined) return;
      this.#queue.splice(this.#queue.indexOf(job), 1);
      slot.job = job;
      if (slot.worker === null) this.#open(slot);
      else this.#post(slot, slot.worker);
    }
  }

  #next(): Job | undefined {
    const long = this.#slots.filter(({ job }) => job !== null && job.size > LONG).length;
    const mayBeLong = long < Math.max(1, this.#slots.length - 1);
    const now = performance.now();
    const rank = ({ size, since }: Job): number => size - (now - since) * AGING;
    return this.#queue
      .filter(({ size }) => mayBeLong || size <= LONG)
      .reduce<Job | undefined>((a, b) => (a === undefined || rank(b) < rank(a) ? b : a), undefined);
  }

  #open(slot: Slot): void {
    const worker = this.#start();
    slot.worker = worker;
    worker.unref();
    let reason = 'it ended';
    worker.on('message', (reply: TextReply) => {
      if (slot.ending) return;
      if (reply.type === 'ready') this.#post(slot, worker);
      else this.#done(slot, reply);
    });
    worker.once('error', (error) => (reason = String(error)));
    worker.once('exit', () => {
      clearTimeout(slot.deadline);
      slot.worker = null;
      slot.ending = false;
      if (slot.job !== null)
        settle(slot.job).reject(new ServingError('internal', `the text worker failed: ${reason}`));
      slot.job = null;
      this.#assign();
    });
  }

  #post(slot: Slot, worker: Worker): void {
    const job = slot.job!;
    worker.postMessage(job.task);
    const { timeoutMs } = this.#limits;
    const tooLong = (): void => {
      const problem = `the text takes longer than ${timeoutMs / 1000} s to tokenize`;
      settle(job).reject(new ServingError('request_too_large', problem));
      end(slot);
    };
    slot.deadline = setTimeout(tooLong, timeoutMs).unref();
  }

  #done(slot: Slot, reply: Exclude<TextReply, { type: 'ready' }>): void {
    clearTimeout(slot.deadline);
    const job = settle(slot.job!);
    slot.job = null;
    if (reply.type === 'done') job.resolve(reply.result);
    else {
      const { code, message, param, hint } = reply;
      job.reject(new ServingError(code, message, { hint, ...(param !== null && { param }) }));
    }
    this.#assign();
  }
}

/** Hears of its signal no more. */
function settle(job: Job): Job {
  job.signal.removeEventListener('abort', job.leave);
  return job;
}

/** Its job, which nobody waits for, is given up with its worker. */
function end(slot: Slot): void {
  slot.ending = true;
  void slot.worker?.terminate();
}
