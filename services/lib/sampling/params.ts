import { createHash } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Sampling, SamplingSchema } from '../wire/gen/stage_pb.js';

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
  /** Null: any text will do. */
  readonly constraint: Constraint | null;
  /** Log probabilities are wanted of the sampled tokens, and of so many of the likeliest beside each; null: of none. */
  readonly logprobs: number | null;
}

/** A grammar that the output has to be of. */
export interface Constraint {
  readonly source: string;
  /** SHA-256 of the source, hexadecimal: the name of what is made of it. */
  readonly digest: string;
  /** Tokens that end the output where the grammar allows an end. */
  readonly endIds: readonly number[];
}

/** The digest is never taken from who sends the source: another grammar could be kept under its name. */
export const constraintOf = (source: string, endIds: readonly number[]): Constraint => ({
  source,
  digest: createHash('sha256').update(source).digest('hex'),
  endIds,
});

/** Sampling parameters as `Open` carries them to the head. */
export function toSamplingMessage(params: SamplingParams) {
  const { constraint, logprobs, ...others } = params;
  return {
    ...others,
    logitBias: Object.fromEntries(params.logitBias),
    stopIds: [...params.stopIds],
    ...(constraint !== null && {
      constraint: { source: constraint.source, endIds: [...constraint.endIds] },
    }),
    ...(logprobs !== null && { logprobs }),
  } satisfies MessageInitShape<typeof SamplingSchema>;
}

export function fromSamplingMessage(sampling: Sampling): SamplingParams {
  const logitBias = Object.entries(sampling.logitBias).map(([token, bias]) => [Number(token), bias] as const);
  const { constraint } = sampling;
  return {
    ...sampling,
    logitBias,
    constraint: constraint === undefined ? null : constraintOf(constraint.source, constraint.endIds),
    logprobs: sampling.logprobs ?? null,
  };
}

/** The head sees the prompt only where sampling depends on it. */
export const samplesByPrompt = (params: SamplingParams): boolean => params.repetitionPenalty !== 1;
