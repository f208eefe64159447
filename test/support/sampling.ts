import type { SamplingParams } from '../../services/lib/sampling/params.js';

/** The model's own distribution, of which nothing is cut or moved. */
export const neutral: SamplingParams = {
  temperature: 1,
  topP: 1,
  topK: 0,
  minP: 0,
  seed: 1,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: [],
  minTokens: 0,
  stopIds: [],
  constraint: null,
  logprobs: null,
};

export const greedy: SamplingParams = { ...neutral, temperature: 0 };
