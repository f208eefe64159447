import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import { MAX_LOGPROBS } from '../../sampling/logits.js';
import { requireLogits, type ServedModel } from '../served-model.js';

/** How many of the likeliest tokens are told beside each, as vLLM bounds it. */
const likeliest = z.int().min(0).max(MAX_LOGPROBS);

/** vLLM's, of both endpoints. */
const promptFields = { prompt_logprobs: likeliest.nullish() };

export const chatLogprobFields = {
  ...promptFields,
  logprobs: z.union([z.boolean(), z.literal(0)], { error: 'expected true or false' }).nullish(),
  top_logprobs: likeliest.nullish(),
};

export const completionLogprobFields = {
  ...promptFields,
  logprobs: z
    .union([z.literal(false), likeliest], { error: `expected a whole number from 0 to ${MAX_LOGPROBS}` })
    .nullish(),
  echo: z.boolean().nullish(),
};

/** What an answer tells beside its text. Each number: so many of the likeliest tokens beside each; null: nothing. */
export interface LogprobSettings {
  readonly output: number | null;
  /** Of the prompt's tokens, apart from the answer. */
  readonly prompt: number | null;
  /** The answer begins with the prompt, and with what is told of its tokens. */
  readonly echo: boolean;
}

export const NO_LOGPROBS: LogprobSettings = { output: null, prompt: null, echo: false };

type Raw<Fields extends z.ZodRawShape> = z.infer<z.ZodObject<Fields>> & {
  readonly stream?: boolean | null | undefined;
};

/** Throws `invalid_value`, and `unsupported_parameter` where the model only takes time. */
export function chatLogprobs(raw: Raw<typeof chatLogprobFields>, model: ServedModel): LogprobSettings {
  const wanted = raw.logprobs === true;
  const top = raw.top_logprobs ?? 0;
  if (top > 0 && !wanted)
    throw new ServingError('invalid_value', 'top_logprobs needs logprobs to be true', {
      param: 'top_logprobs',
    });
  if (wanted) requireLogits(model, 'logprobs');
  return { ...NO_LOGPROBS, output: wanted ? top : null, prompt: promptLogprobs(raw, model) };
}

/** Throws as `chatLogprobs` does. */
export function completionLogprobs(
  raw: Raw<typeof completionLogprobFields>,
  model: ServedModel,
): LogprobSettings {
  const output = typeof raw.logprobs === 'number' ? raw.logprobs : null;
  if (output !== null) requireLogits(model, 'logprobs');
  return { output, prompt: promptLogprobs(raw, model), echo: raw.echo ?? false };
}

function promptLogprobs(
  { prompt_logprobs: wanted, stream }: Raw<typeof promptFields>,
  model: ServedModel,
): number | null {
  if (typeof wanted !== 'number') return null;
  const param = 'prompt_logprobs';
  if (stream === true) throw new ServingError('invalid_value', `${param} cannot be streamed`, { param });
  requireLogits(model, param);
  return wanted;
}

/** How far the prompt's own tokens are to be scored; null: not at all. */
export function scoreOf({ output, prompt, echo }: LogprobSettings): number | null {
  const echoed = echo ? output : null;
  return echoed === null ? prompt : Math.max(echoed, prompt ?? 0);
}
