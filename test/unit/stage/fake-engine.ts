import type { StepInput } from '../../../services/lib/engine/types.js';
import type { ServingError } from '../../../services/lib/errors/serving-error.js';
import { PREFIX_BLOCK } from '../../../services/lib/model/prefix-blocks.js';
import type { SamplerSpec, StepResult } from '../../../services/stage/engine/engine-messages.js';
import type { StageOptions } from '../../../services/stage/stage.js';

/** Says what it was asked, in the order of its asking, and answers by `result`; it computes nothing. */
export class FakeEngine implements Pick<StageOptions['engine'], keyof StageOptions['engine']> {
  readonly kv = { used: 0, capacity: 100 };
  /** Open sequences, by the stage's name for them. */
  readonly sequences = new Map<string, SamplerSpec | null>();
  readonly steps: StepInput[] = [];
  /** Blocks that may be kept, by closed sequence. */
  readonly kept = new Map<string, readonly string[]>();
  /** Tokens that an opened sequence starts with, as far as it names blocks. */
  cached = 0;
  /** What `open` rejects with. */
  refusal: ServingError | null = null;
  /** What a step says that it took. */
  stepSeconds = 0.001;
  result: (input: StepInput) => StepResult;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(result: (input: StepInput) => StepResult) {
    this.result = result;
  }

  /** Answers nothing more until the function that it returns is called. */
  hold(): () => void {
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    void this.#ask(() => held);
    return release;
  }

  open(
    sequence: string,
    _maxLength: number,
    sampler: SamplerSpec | null,
    prefix: readonly string[] = [],
  ): Promise<number> {
    return this.#ask(() => {
      if (this.refusal !== null) throw this.refusal;
      this.sequences.set(sequence, sampler);
      return Math.min(this.cached, prefix.length * PREFIX_BLOCK);
    });
  }

  close(sequence: string, prefix: readonly string[] = []): void {
    void this.#ask(() => {
      this.sequences.delete(sequence);
      this.kept.set(sequence, prefix);
    });
  }

  step(input: StepInput): Promise<{ result: StepResult; seconds: number }> {
    this.steps.push(input);
    return this.#ask(() => ({ result: this.result(input), seconds: this.stepSeconds }));
  }

  #ask<Value>(work: () => Value | Promise<Value>): Promise<Value> {
    const answer = this.#turn.then(work);
    this.#turn = answer.catch(() => undefined);
    return answer;
  }
}
