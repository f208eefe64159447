import type { StepTokens, TokenLogprob } from '../../lib/sampling/step-tokens.js';

/**
 * What the head has told of a prompt's own tokens, whichever routes that took: a prompt whose route breaks goes on being
 * scored where it was. The first token has no score, for nothing comes before it.
 */
export class PromptScores {
  /** So many of the likeliest tokens are told beside each. */
  readonly likeliest: number;
  readonly #tokens: number;
  /** Of the tokens from the second on. */
  readonly #logprobs: TokenLogprob[] = [];

  constructor(promptTokens: number, likeliest: number) {
    this.likeliest = likeliest;
    this.#tokens = promptTokens;
  }

  /** Whether every token of the prompt has its score. */
  get complete(): boolean {
    return this.#missing === 0;
  }

  /** All that has been told so far, as the first step brings it to whoever asked. */
  get scored(): NonNullable<StepTokens['scored']> {
    return { from: 1, logprobs: this.#logprobs };
  }

  /** Of the rows of the tokens from `start` up to `end`, how many of the last are still to be scored. */
  rowsToScore(start: number, end: number): number {
    return this.complete ? 0 : Math.max(0, end - Math.max(start, this.#logprobs.length));
  }

  /** What is not what comes next is dropped: it has been told before, or nobody has asked for it. */
  add({ from, logprobs }: NonNullable<StepTokens['scored']>): void {
    if (from !== this.#logprobs.length + 1) return;
    this.#logprobs.push(...logprobs.slice(0, this.#missing));
  }

  get #missing(): number {
    return this.#tokens - 1 - this.#logprobs.length;
  }
}
