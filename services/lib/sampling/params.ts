/** How the head picks a token. Every value is already checked and has its default filled in. */
export interface SamplingParams {
  /** 0 is greedy. */
  readonly temperature: number;
  readonly topP: number;
  /** 0 turns it off. */
  readonly topK: number;
  readonly minP: number;
  /** Same seed, same request, same model: same tokens. */
  readonly seed: number;
  readonly repetitionPenalty: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  readonly logitBias: readonly (readonly [token: number, bias: number])[];
  /** Until so many tokens are sampled, `stopIds` can not be. */
  readonly minTokens: number;
  /** Tokens that end the sequence (empty with ignore_eos and no stop_token_ids). */
  readonly stopIds: readonly number[];
}
