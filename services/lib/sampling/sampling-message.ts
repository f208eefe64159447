import type { Sampling } from '../wire/gen/stage_pb.js';
import type { SamplingParams } from './params.js';

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
