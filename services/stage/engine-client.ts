import { Worker } from 'node:worker_threads';
import type { KvUsage, StepInput } from '../lib/engine/types.js';
import { ServingError } from '../lib/errors/serving-error.js';
import type {
  EngineReply,
  EngineRequest,
  EngineWorkerData,
  SamplerSpec,
  StepResult,
} from './engine-messages.js';

type Done = Extract<EngineReply, { type: 'done' }>;

interface Waiting {
  resolve(reply: Done): void;
  reject(reason: ServingError): void;
}

/** The engine as the event loop sees it: every call is a message to the worker thread, answered in order. */
export class EngineClient {
  /** As of the last answer, tokens. */
  kv: KvUsage;
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];

  private constructor(worker: Worker, kv: KvUsage) {
    this.#worker = worker;
    this.kv = kv;
    worker.on('message', (reply: EngineReply) => this.#receive(reply));
  }

  /**
   * Starts the worker and loads the weights. Rejects with what went wrong in there (`shards_invalid`, …).
   * `onCrash` is called when the worker dies later on.
   */
  static start(data: EngineWorkerData, onCrash: (reason: ServingError) => void): Promise<EngineClient> {
    const worker = new Worker(new URL('./engine-worker.js', import.meta.url), { workerData: data });
    return new Promise((resolve, reject) => {
      worker.once('message', (reply: EngineReply) => {
        if (reply.type === 'ready') resolve(new EngineClient(worker, reply.kv));
        else if (reply.type === 'failed') reject(new ServingError(reply.error.code, reply.error.message));
      });
      worker.on('error', (cause) => {
        const reason = new ServingError('internal', `the engine crashed: ${String(cause)}`, { cause });
        reject(reason);
        onCrash(reason);
      });
    });
  }

  /** Reserves room for `maxLength` tokens; rejects with `kv_exhausted`. */
  async open(sequence: string, maxLength: number, sampler: SamplerSpec | null): Promise<void> {
    await this.#ask({ type: 'open', sequence, maxLength, sampler });
  }

  async close(sequence: string): Promise<void> {
    await this.#ask({ type: 'close', sequence });
  }

  /** Runs a step; the arrays of `input` are handed over and can not be used any more. */
  async step(input: StepInput): Promise<{ result: StepResult; seconds: number }> {
    const rows = input.hidden ?? input.tokens!;
    const { result, seconds } = await this.#ask({ type: 'step', input }, [rows.buffer as ArrayBuffer]);
    return { result: result!, seconds };
  }

  async stop(): Promise<void> {
    await this.#ask({ type: 'stop' });
    await this.#worker.terminate();
  }

  #ask(request: EngineRequest, transfer: ArrayBuffer[] = []): Promise<Done> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(request, transfer);
    });
  }

  #receive(reply: EngineReply): void {
    const waiting = this.#waiting.shift();
    if (reply.type === 'done') {
      this.kv = reply.kv;
      waiting?.resolve(reply);
    } else if (reply.type === 'failed') {
      waiting?.reject(new ServingError(reply.error.code, reply.error.message));
    }
  }
}
