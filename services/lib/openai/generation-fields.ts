import { randomInt } from 'node:crypto';
import { z } from 'zod';
import { ServingError } from '../errors/serving-error.js';
import type { SamplingParams } from '../sampling/params.js';
import type { ServedModel } from './served-model.js';

/** The fields that every generating endpoint takes, as they are sent; null counts as left out. */
export const generationFields = {
  model: z.string().nullish(),
  n: z.int().min(1).max(16).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  return_token_ids: z.boolean().nullish(),

  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  min_tokens: z.int().min(0).nullish(),
  stop: z
    .union([z.string().min(1), z.array(z.string().min(1)).max(4)], {
      error: 'expected a string, or up to 4 of them, none empty',
    })
    .nullish(),
  include_stop_str_in_output: z.boolean().nullish(),
  stop_token_ids: z.array(z.int().min(0)).max(128).nullish(),
  ignore_eos: z.boolean().nullish(),

  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(-1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  // Wide enough for any use, and narrow enough that no logit can overflow.
  repetition_penalty: z.number().min(0.01).max(100).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: z
    .record(z.string().regex(/^\d+$/, 'expected a token id'), z.number().min(-100).max(100))
    .nullish(),
};

export type RawGeneration = z.infer<z.ZodObject<typeof generationFields>>;

/** How to generate and how to answer, checked, with the defaults filled in. */
export interface GenerationSettings {
  readonly choices: number;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly returnTokenIds: boolean;
  /** Null: as many as the endpoint gives by default. */
  readonly maxTokens: number | null;
  readonly stop: readonly string[];
  readonly includeStop: boolean;
  /** Of the first choice; the i-th has `seed + i`. */
  readonly sampling: SamplingParams;
}

/**
 * Defaults are OpenAI's (temperature 1, top_p 1), not the model's generation_config. Throws `invalid_value`
 * or `model_not_found`.
 */
export function validateGeneration(raw: RawGeneration, model: ServedModel): GenerationSettings {
  const stream = raw.stream ?? false;
  if (raw.stream_options && !stream) {
    throw new ServingError('invalid_value', 'stream_options needs stream to be true', {
      param: 'stream_options',
    });
  }
  return {
    choices: raw.n ?? 1,
    stream,
    includeUsage: raw.stream_options?.include_usage ?? false,
    returnTokenIds: raw.return_token_ids ?? false,
    maxTokens: raw.max_completion_tokens ?? raw.max_tokens ?? null,
    stop: typeof raw.stop === 'string' ? [raw.stop] : (raw.stop ?? []),
    includeStop: raw.include_stop_str_in_output ?? false,
    sampling: validateSampling(raw, model),
  };
}

function validateSampling(raw: RawGeneration, model: ServedModel): SamplingParams {
  const stopTokenIds = raw.stop_token_ids ?? [];
  requireTokenIds(stopTokenIds, model, 'stop_token_ids');
  const logitBias = Object.entries(raw.logit_bias ?? {}).map(([id, bias]) => [Number(id), bias] as const);
  requireTokenIds(
    logitBias.map(([id]) => id),
    model,
    'logit_bias',
  );

  return {
    temperature: raw.temperature ?? 1,
    topP: raw.top_p ?? 1,
    topK: Math.min(Math.max(raw.top_k ?? 0, 0), model.vocabulary),
    minP: raw.min_p ?? 0,
    seed: raw.seed ?? randomInt(2 ** 47),
    repetitionPenalty: raw.repetition_penalty ?? 1,
    presencePenalty: raw.presence_penalty ?? 0,
    frequencyPenalty: raw.frequency_penalty ?? 0,
    logitBias,
    minTokens: raw.min_tokens ?? 0,
    stopIds: [...new Set(raw.ignore_eos ? stopTokenIds : [...model.eosIds, ...stopTokenIds])],
  };
}

/** Throws `invalid_value` for an id outside the vocabulary. */
export function requireTokenIds(ids: readonly number[], model: ServedModel, param: string): void {
  const stranger = ids.find((id) => id >= model.vocabulary);
  if (stranger === undefined) return;
  const range = `0 to ${model.vocabulary - 1}`;
  throw new ServingError('invalid_value', `${param}: the token id ${stranger} is not in ${range}`, { param });
}
