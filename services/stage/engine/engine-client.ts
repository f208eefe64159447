import { SHARE_ENV, Worker } from 'node:worker_threads';
import { machineTime } from '../../lib/engine/timed/device-clock.js';
import { buffersOf, type TokenTrie } from '../../lib/grammar/token-trie.js';
import type { KvUsage } from '../../lib/engine/types.js';
import { ServingError } from '../../lib/errors/serving-error.js';
import type {
  DraftedInput,
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

export interface StepAnswer extends Pick<Done, 'seconds'> {
  readonly result: StepResult;
  readonly overshoot?: number | null;
}

export interface EngineClientOptions {
  /** Called once if the worker dies after its start; what it was asked then rejects, too. */
  readonly onCrash: (reason: ServingError) => void;
  /** Loads the model's tokens, where sequences can be kept to grammars. */
  readonly vocabulary?: (() => Promise<TokenTrie>) | null;
}

/** What the worker's clock is ahead of this process's. */
const MACHINE_TIME = machineTime() - performance.now() / 1000;

/** The engine's thread, which begins at once to load what `data` names. `EngineClient` asks it, and ends it. */
export function startEngineWorker(data: EngineWorkerData): Worker {
  // What the worker sets in a copy of the environment, ONNX Runtime would not see.
  return new Worker(new URL('./engine-worker.js', import.meta.url), { workerData: data, env: SHARE_ENV });
}

/** The tokens of a prepared model, by a thread of their own. Takes half a second; rejects with `internal`. */
export function loadVocabulary(prepared: string): Promise<TokenTrie> {
  const worker = new Worker(new URL('./vocabulary-worker.js', import.meta.url), { workerData: prepared });
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void =>
      reject(new ServingError('internal', `the vocabulary cannot be loaded: ${String(cause)}`, { cause }));
    worker.once('message', resolve);
    worker.once('error', fail);
    worker.once('exit', (code) => fail(`its thread ended with ${code}`));
  });
}

/** The engine as the event loop sees it: every call is a message to the worker thread, answered in order. */
export class EngineClient {
  /** As of the last answer, tokens. */
  kv: KvUsage;
  /** Of an emulated device, whose time its thread has: `real time`, or `time shared: ` and why; else null. */
  readonly clock: string | null;
  readonly #worker: Worker;
  readonly #onCrash: (reason: ServingError) => void;
  /** Null where no sequence can be kept to a grammar. */
  readonly #vocabulary: (() => Promise<TokenTrie>) | null;
  #knowsVocabulary = false;
  /** While the vocabulary is on its way to the worker. */
  #learning: Promise<void> | null = null;
  readonly #waiting: Waiting[] = [];
  /** What everybody hears once the worker has died: their sequences can go on elsewhere. */
  #gone: ServingError | null = null;
  #stopped = false;

  private constructor(
    worker: Worker,
    { kv, clock }: Extract<EngineReply, { type: 'ready' }>,
    { onCrash, vocabulary = null }: EngineClientOptions,
  ) {
    this.#worker = worker;
    this.#onCrash = onCrash;
    this.#vocabulary = vocabulary;
    this.kv = kv;
    this.clock = clock;
    worker.on('message', (reply: EngineReply) => this.#receive(reply));
    worker.on('error', (cause) => this.#crashed(crashOf(cause)));
    worker.on('exit', (code) => this.#crashed(crashOf(`its thread ended with ${code}`)));
  }

  /**
   * Waits until the worker has loaded the weights. Rejects with what went wrong in there (`shards_invalid`, …).
   */
  static start(worker: Worker, options: EngineClientOptions): Promise<EngineClient> {
    return new Promise((resolve, reject) => {
      worker.once('message', (reply: EngineReply) => {
        if (reply.type === 'ready') resolve(new EngineClient(worker, reply, options));
        else if (reply.type === 'failed') reject(new ServingError(reply.error.code, reply.error.message));
      });
      worker.once('error', (cause) => reject(crashOf(cause)));
      worker.once('exit', (code) => reject(crashOf(`its thread ended with ${code}`)));
    });
  }

  /**
   * Reserves room for `maxLength` tokens; rejects with `kv_exhausted`. Resolves with how many tokens of the blocks
   * that it begins with are cached. The first that is kept to a grammar waits for the vocabulary, with those that come meanwhile.
   */
  async open(
    sequence: string,
    maxLength: number,
    sampler: SamplerSpec | null,
    prefix: readonly string[] = [],
  ): Promise<number> {
    const isKept = sampler !== null && sampler.params.constraint !== null;
    if (isKept && !this.#knowsVocabulary) {
      // The next that needs it tries again where it fails.
      this.#learning ??= this.#learn().finally(() => (this.#learning = null));
      await this.#learning;
    }
    const { cached } = await this.#ask({ type: 'open', sequence, maxLength, sampler, prefix });
    return cached;
  }

  /**
   * Frees a sequence, and keeps the blocks that it begins with. An engine that cannot would leak its room: that
   * counts as a crash.
   */
  close(sequence: string, prefix: readonly string[] = []): void {
    const close = (): void =>
      void this.#ask({ type: 'close', sequence, prefix }).catch((reason: unknown) =>
        this.#crashed(crashOf(reason)),
      );
    // What waits to be opened has to be open before it is closed.
    if (this.#learning === null) close();
    else void this.#learning.then(close, close);
  }

  /**
   * Runs a step whose rows were there at `ready`, seconds of this process; the arrays of `input` are handed over and
   * cannot be used any more.
   */
  async step(input: DraftedInput, ready = performance.now() / 1000): Promise<StepAnswer> {
    const rows = input.hidden ?? input.tokens;
    const request = { type: 'step', input, ready: ready + MACHINE_TIME } as const;
    const { result, seconds, overshoot } = await this.#ask(request, [rows.buffer as ArrayBuffer]);
    return { result: result!, seconds, overshoot };
  }

  /** Ends the worker once it has answered what it was asked before. Rejects with `stage_unavailable` where it has died. */
  async stop(): Promise<void> {
    await this.#ask({ type: 'stop' });
    this.#stopped = true;
    await this.#worker.terminate();
  }

  async #learn(): Promise<void> {
    if (this.#vocabulary === null) return;
    const trie = await this.#vocabulary();
    await this.#ask({ type: 'vocabulary', trie }, buffersOf(trie));
    this.#knowsVocabulary = true;
  }

  #ask(request: EngineRequest, transfer: ArrayBuffer[] = []): Promise<Done> {
    if (this.#gone !== null) return Promise.reject(this.#gone);
    return new Promise((resolve, reject) => {
      this.#worker.postMessage(request, transfer);
      this.#waiting.push({ resolve, reject });
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

  #crashed(reason: ServingError): void {
    if (this.#gone !== null || this.#stopped) return;
    this.#gone = new ServingError('stage_unavailable', reason.message, { cause: reason });
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#gone);
    this.#onCrash(reason);
  }
}

const crashOf = (cause: unknown): ServingError =>
  new ServingError('internal', `the engine crashed: ${String(cause)}`, { cause });
