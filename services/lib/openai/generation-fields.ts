import { randomInt } from 'node:crypto';
import { z } from 'zod';
import { ServingError } from '../errors/serving-error.js';
import { samplingDefaults } from '../model/sampling-defaults.js';
import type { SamplingParams } from '../sampling/params.js';
import { NO_LOGPROBS, type LogprobSettings } from './fields/logprobs.js';
import { arrayOf } from './parse-body.js';
import type { AskedForm } from './fields/constraints.js';
import { requireLogits, type ServedModel } from './served-model.js';
import type { ToolUse } from './tools.js';

/** As many as a client may want, and so few that looking for them costs less than making a token. */
const MAX_STOPS = 256;
const MAX_STOP_BYTES = 16 << 10;
const MAX_STOP_TOKENS = 128;

/** Beyond 2^53 a number of JSON stands for its neighbours too; it is a whole number all the same. */
export const wholeNumber = (min: number, max = Infinity) =>
  z
    .number()
    .refine(Number.isInteger, 'expected a whole number')
    .refine(
      (value) => value >= min && value <= max,
      `expected a number from ${min}${max === Infinity ? '' : ` to ${max}`}`,
    )
    .meta({ type: 'integer', minimum: min, ...(max < Infinity && { maximum: max }) });

/** The same for a request as for the defaults of a checkpoint. */
const ranges = samplingDefaults.shape;

/** The fields that every generating endpoint takes, as they are sent; null counts as left out. */
export const generationFields = {
  model: z.string().nullish(),
  n: z.int().min(1).max(16).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  return_token_ids: z.boolean().nullish(),

  max_tokens: wholeNumber(0).nullish(),
  max_completion_tokens: wholeNumber(1).nullish(),
  /** As in vLLM: keep the last so many tokens of the prompt; -1 keeps what leaves room for an answer. */
  truncate_prompt_tokens: wholeNumber(-1)
    .refine((count) => count !== 0, 'expected -1, or at least 1')
    .nullish(),
  min_tokens: z.int().min(0).nullish(),
  stop: z
    .union([z.string(), arrayOf(z.string().min(1), MAX_STOPS)], {
      error: `expected a string, or up to ${MAX_STOPS}, none empty`,
    })
    .refine((stop) => fitsStops(listOf(stop)), `expected up to ${MAX_STOP_BYTES} bytes together`)
    .nullish(),
  include_stop_str_in_output: z.boolean().nullish(),
  skip_special_tokens: z.boolean().nullish(),
  stop_token_ids: arrayOf(z.int().min(0), MAX_STOP_TOKENS).nullish(),
  ignore_eos: z.boolean().nullish(),

  temperature: ranges.temperature.nullish(),
  top_p: ranges.top_p.nullish(),
  top_k: wholeNumber(-1).nullish(),
  min_p: ranges.min_p.nullish(),
  seed: wholeNumber(-(2 ** 63), 2 ** 63).nullish(),
  repetition_penalty: ranges.repetition_penalty.nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: z
    .record(z.string().regex(/^\d+$/, 'expected a token id'), z.number().min(-100).max(100))
    .nullish(),

  /** As in vLLM: only requests with the same salt share what the prefix cache holds. */
  cache_salt: z.string().min(1).max(256).nullish(),
  /** As in vLLM: while requests wait, a lower one comes first. */
  priority: z.int().nullish(),
};

type RawGeneration = z.infer<z.ZodObject<typeof generationFields>>;

/** How to generate and how to answer, checked, with the defaults filled in. */
export interface GenerationSettings {
  readonly choices: number;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly returnTokenIds: boolean;
  /** Null: as many as the endpoint gives by default. */
  readonly maxTokens: number | null;
  /** Keep only so many of the prompt's last tokens; -1: what leaves room for an answer; null: all. */
  readonly truncatePrompt: number | null;
  readonly stop: readonly string[];
  readonly includeStop: boolean;
  /** Whether the answer shows special tokens. */
  readonly showSpecial: boolean;
  readonly cacheSalt: string | null;
  readonly logprobs: LogprobSettings;
  /** What the answer has to be where it calls no tool; null: anything. Of `sampling` the constraint is made of it. */
  readonly form: AskedForm | null;
  /** Among the requests that wait, less is sooner. */
  readonly priority: number;
  /** Of the first choice; the i-th has `seed + i`. */
  readonly sampling: SamplingParams;
}

/** What the request does not say is as the served model's defaults have it. Throws `invalid_value`. */
export function validateGeneration(
  raw: RawGeneration,
  model: ServedModel,
  asked: Partial<Pick<GenerationSettings, 'logprobs' | 'form'>> & { readonly toolUse?: ToolUse | null } = {},
): GenerationSettings {
  const { logprobs = NO_LOGPROBS, form = null, toolUse = null } = asked;
  const boundBy = form?.param ?? toolUse?.boundBy ?? null;
  const stream = raw.stream ?? false;
  if (raw.stream_options && !stream) {
    throw new ServingError('invalid_value', 'stream_options needs stream to be true', {
      param: 'stream_options',
    });
  }
  const maxTokens = raw.max_completion_tokens ?? raw.max_tokens ?? null;
  if (maxTokens === 0 && !logprobs.echo) {
    throw new ServingError('invalid_value', 'max_tokens: expected a number from 1, or 0 with echo', {
      param: 'max_tokens',
    });
  }
  if (boundBy !== null) requireLogits(model, boundBy);
  if (boundBy !== null && raw.ignore_eos) {
    throw new ServingError('invalid_value', `ignore_eos cannot be true with ${boundBy}: a form has an end`, {
      param: 'ignore_eos',
    });
  }
  return {
    choices: raw.n ?? 1,
    stream,
    includeUsage: raw.stream_options?.include_usage ?? false,
    returnTokenIds: raw.return_token_ids ?? false,
    maxTokens,
    truncatePrompt: raw.truncate_prompt_tokens ?? null,
    stop: listOf(raw.stop ?? ''),
    includeStop: raw.include_stop_str_in_output ?? false,
    showSpecial: raw.skip_special_tokens === false,
    cacheSalt: raw.cache_salt ?? null,
    priority: raw.priority ?? 0,
    logprobs,
    form,
    sampling: { ...validateSampling(raw, model), logprobs: logprobs.output },
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

  const { sampling } = model;
  const topP = raw.top_p ?? sampling.top_p;
  // Nothing is in a nucleus of no probability but the likeliest token.
  const onlyLikeliest = topP === 0;
  return {
    temperature: onlyLikeliest ? 0 : (raw.temperature ?? sampling.temperature),
    topP: onlyLikeliest ? 1 : topP,
    topK: Math.min(Math.max(raw.top_k ?? sampling.top_k, 0), model.vocabulary),
    minP: raw.min_p ?? sampling.min_p,
    seed: seedOf(raw.seed ?? RANDOM_SEED),
    repetitionPenalty: raw.repetition_penalty ?? sampling.repetition_penalty,
    presencePenalty: raw.presence_penalty ?? 0,
    frequencyPenalty: raw.frequency_penalty ?? 0,
    logitBias,
    minTokens: raw.min_tokens ?? 0,
    stopIds: [...new Set(raw.ignore_eos ? stopTokenIds : [...model.eosIds, ...stopTokenIds])],
    constraint: null,
    logprobs: null,
  };
}

/** `stop` as a list; an empty string alone asks for nothing. */
const listOf = (stop: string | readonly string[]): readonly string[] =>
  typeof stop === 'string' ? [stop].filter((text) => text !== '') : stop;

const fitsStops = (stops: readonly string[]): boolean =>
  stops.reduce((sum, stop) => sum + Buffer.byteLength(stop), 0) <= MAX_STOP_BYTES;

/** As in vLLM and llama.cpp. */
const RANDOM_SEED = -1;

/** The largest prime below 2^47: seeds of 64 bits that differ keep differing, but for one pair in 10^14. */
const SEED_MODULUS = 2 ** 47 - 115;

/** A whole number to which the number of a choice can be added without loss. */
function seedOf(seed: number): number {
  if (seed === RANDOM_SEED) return randomInt(2 ** 47);
  return Math.abs(seed) <= 2 ** 52 ? seed : seed % SEED_MODULUS;
}

/** Throws `invalid_value` for an id outside the vocabulary. */
export function requireTokenIds(ids: readonly number[], model: ServedModel, param: string): void {
  const stranger = ids.find((id) => id >= model.vocabulary);
  if (stranger === undefined) return;
  const range = `0 to ${model.vocabulary - 1}`;
  throw new ServingError('invalid_value', `${param}: the token id ${stranger} is not in ${range}`, { param });
}
