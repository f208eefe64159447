import type { SamplingParams } from './params.js';

type PenaltyParams = Pick<SamplingParams, 'repetitionPenalty' | 'presencePenalty' | 'frequencyPenalty'>;

/** Whether the parameters change any logit. */
export const penalises = (params: PenaltyParams): boolean =>
  params.repetitionPenalty !== 1 || params.presencePenalty !== 0 || params.frequencyPenalty !== 0;

/**
 * vLLM's penalties. Repetition (CTRL, Keskar et al. 2019) pulls every token of prompt and output towards
 * zero or below by a factor; presence and frequency (OpenAI) lower the output's tokens by a constant, and by
 * a constant for each time that they were sampled.
 */
export class Penalties {
  readonly #params: PenaltyParams;
  /** How often each token seen so far was sampled; 0 for one that only the prompt has. */
  readonly #counts = new Map<number, number>();

  constructor(params: PenaltyParams, prompt: readonly number[]) {
    this.#params = params;
    for (const token of prompt) this.#counts.set(token, 0);
  }

  record(token: number): void {
    this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
  }

  apply(logits: Float32Array): void {
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = this.#params;
    for (const [token, count] of this.#counts) {
      const logit = logits[token]!;
      const repeated = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
      logits[token] = repeated - frequencyPenalty * count - (count > 0 ? presencePenalty : 0);
    }
  }
}
