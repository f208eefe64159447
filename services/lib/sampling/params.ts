import type { Sampling } from '../wire/gen/stage_pb.js';

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
  /** Until so many tokens are sampled, `stopIds` cannot be. */
  readonly minTokens: number;
  /** Tokens that end the sequence (empty with ignore_eos and no stop_token_ids). */
  readonly stopIds: readonly number[];
}

type SamplingFields = Omit<Sampling, '$typeName' | '$unknown'>;

/** Sampling parameters as `Open` carries them to the head. */
export function toSamplingMessage(params: SamplingParams): SamplingFields {
  return { ...params, logitBias: Object.fromEntries(params.logitBias), stopIds: [...params.stopIds] };
}

export function fromSamplingMessage(sampling: Sampling): SamplingParams {
  const logitBias = Object.entries(sampling.logitBias).map(([token, bias]) => [Number(token), bias] as const);
  return { ...sampling, logitBias };
}

/** The head sees the prompt only where sampling depends on it. */
export const samplesByPrompt = (params: SamplingParams): boolean => params.repetitionPenalty !== 1;
