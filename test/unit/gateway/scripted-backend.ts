import { setTimeout as delay } from 'node:timers/promises';
import type { StepTokens } from '../../../services/lib/sampling/step-tokens.js';
import type {
  Backend,
  GenerateRequest,
  Generation,
  Topology,
} from '../../../services/gateway/generation/backend.js';

/** Tokens one by one, or those of a step together, or all that is known of them. */
export type Script = (
  request: GenerateRequest,
  signal: AbortSignal,
) => AsyncIterable<number | readonly number[] | StepTokens>;

/** Gives these tokens, as fast as they are pulled. */
export const tokensOf = (tokens: Iterable<number>): Script =>
  async function* () {
    for (const token of tokens) yield await Promise.resolve(token);
  };

/** Gives these tokens, each after so many milliseconds. */
export const pausing = (ms: number, tokens: Iterable<number>): Script =>
  async function* () {
    for (const token of tokens) {
      await delay(ms);
      yield token;
    }
  };

/** Gives some tokens and then nothing, until aborted. */
export const stuckAfter = (tokens: Iterable<number>): Script =>
  async function* (_request, signal) {
    yield* tokens;
    await new Promise((_resolve, reject) => {
      const abort = (): void => reject(signal.reason as Error);
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort);
    });
  };

/** A mesh in memory that says what the test tells it to, and keeps the contract of Backend. */
export class ScriptedBackend implements Backend {
  readonly #model: string;
  script: Script = tokensOf([]);
  /** Thrown instead of opening a sequence. */
  refusal: Error | null = null;
  notReady: string | null = null;
  /** Of each prompt. */
  cachedTokens = 0;
  readonly requests: GenerateRequest[] = [];
  readonly signals: AbortSignal[] = [];
  /** Sequences that hold room in the mesh. */
  open = 0;

  constructor(model = 'test/model') {
    this.#model = model;
  }

  async generate(request: GenerateRequest, signal: AbortSignal): Promise<Generation> {
    await Promise.resolve();
    if (this.refusal !== null) throw this.refusal;
    this.requests.push(request);
    this.signals.push(signal);
    return {
      route: `stage-0/a>stage-1/b${this.requests.length}`,
      cachedTokens: this.cachedTokens,
      tokens: this.#run(request, signal),
    };
  }

  readonly warned: string[] = [];

  warnings(): string[] {
    return this.warned;
  }

  notReadyReason(): string | null {
    return this.notReady;
  }

  topology(): Topology {
    return { model: this.#model, precision: 'f32', split: [1], stages: [] };
  }

  async *#run(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<StepTokens> {
    this.open += 1;
    try {
      let count = 0;
      for await (const step of this.script(request, signal)) {
        signal.throwIfAborted();
        const whole = typeof step === 'object' && 'tokens' in step ? step : { tokens: [step].flat() };
        yield whole;
        count += whole.tokens.length;
        if (whole.ended || count === request.maxTokens) return;
      }
    } finally {
      this.open -= 1;
    }
  }
}
