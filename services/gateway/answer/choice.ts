import { randomUUID } from 'node:crypto';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { FittedPrompt } from '../../lib/openai/fit-context.js';
import type { GenerationSettings } from '../../lib/openai/generation-fields.js';
import { scoreOf } from '../../lib/openai/fields/logprobs.js';
import {
  usageOf,
  type FinishReason,
  type ResponseFormat,
  type ResponseHead,
  type Usage,
} from '../../lib/openai/response-format.js';
import type { ServedModel } from '../../lib/openai/served-model.js';
import type { GenerateRequest } from '../generation/backend.js';
import type { CallReading } from './tool-output.js';
import type { Tenant } from '../keys/tenant.js';

/** A request, ready to be run. */
export interface GenerationPlan {
  readonly prompts: readonly FittedPrompt[];
  readonly settings: GenerationSettings;
  readonly format: ResponseFormat;
  /** Null: what looks like a call of a tool is text. */
  readonly calls: CallReading | null;
  /** Whether the client wants to be told where the time went. */
  readonly timed: boolean;
  /** Done when all has come, before the client learns that it has: what it may then rely on. */
  readonly settle?: () => Promise<void>;
  /** Who asks, and is charged for it. */
  readonly tenant?: Tenant;
}

/** What is asked for, as far as the tenant who asks may have it. */
export const planOf = (tenant: Tenant | null, plan: GenerationPlan): GenerationPlan =>
  tenant === null ? plan : { ...plan, tenant, settings: { ...plan.settings, ...tenant.bind(plan.settings) } };

/** One of the answers that a request asks for: a sequence of its own. */
export interface Choice extends GenerateRequest {
  readonly index: number;
  readonly stop: readonly string[];
  readonly includeStop: boolean;
  readonly showSpecial: boolean;
  readonly calls: CallReading | null;
  /** Whether the prompt is shown before the answer, or, where no answer is asked for, alone. */
  readonly echo?: 'before' | 'alone';
  /** The prompt's tokens are told of apart from the answer, with so many of the likeliest beside each. */
  readonly promptLogprobs?: number;
}

/** The choices of the first prompt, then of the second, and so on. The i-th of a prompt has `seed + i`. */
export function choicesOf({ prompts, settings, calls }: GenerationPlan): Choice[] {
  const { choices, sampling, stop, includeStop, showSpecial, cacheSalt, logprobs } = settings;
  const score = scoreOf(logprobs);
  return prompts.flatMap(({ ids, maxTokens }, prompt) =>
    Array.from({ length: choices }, (_, number) => ({
      index: prompt * choices + number,
      prompt: ids,
      // What no answer is asked for samples a token all the same, which nobody sees.
      maxTokens: Math.max(1, maxTokens),
      stop,
      includeStop,
      showSpecial,
      calls,
      ...(cacheSalt !== null && { cacheSalt }),
      ...(score !== null && { score }),
      ...(logprobs.echo && { echo: maxTokens === 0 ? ('alone' as const) : ('before' as const) }),
      ...(logprobs.prompt !== null && { promptLogprobs: logprobs.prompt }),
      sampling: { ...sampling, seed: sampling.seed + number },
    })),
  );
}

/** Log probabilities that one answer may hold at once: half a million take up some 50 MB of it. */
const MAX_RATINGS = 1 << 19;

/** Throws `invalid_value` for an answer that would hold too many log probabilities; a stream holds none of its own. */
export function requireFewRatings({ prompts, settings }: GenerationPlan): void {
  const { choices, stream, logprobs } = settings;
  const score = scoreOf(logprobs);
  const each = (tokens: number, likeliest: number | null): number =>
    likeliest === null ? 0 : tokens * (1 + likeliest);
  const most = prompts.reduce(
    (sum, { ids, maxTokens }) =>
      sum + each(ids.length, score) + (stream ? 0 : each(maxTokens, logprobs.output)),
    0,
  );
  if (most * choices <= MAX_RATINGS) return;
  const problem = `the answer would hold ${most * choices} log probabilities, more than ${MAX_RATINGS}`;
  throw new ServingError('invalid_value', problem, {
    param: logprobs.output === null ? 'prompt_logprobs' : 'logprobs',
    hint: 'ask for fewer of the likeliest tokens, fewer choices, shorter prompts or a lower max_tokens',
  });
}

/** What all chunks of an answer share. */
export function newResponseHead(model: ServedModel, { includeUsage }: GenerationSettings): ResponseHead {
  return {
    model: model.id,
    created: Math.floor(Date.now() / 1000),
    key: randomUUID().replaceAll('-', ''),
    includeUsage,
  };
}

/** What is known of a choice when it is done. */
export interface Finished {
  readonly tokens: number;
  readonly finishReason: FinishReason;
}

/** A prompt counts once, however many choices it has. */
export const promptTokensOf = ({ prompts }: Pick<GenerationPlan, 'prompts'>): number =>
  prompts.reduce((sum, { ids }) => sum + ids.length, 0);

/** What of a prompt was cached is told of its first choice. */
export function usageOfPlan(
  plan: GenerationPlan,
  running: readonly { readonly choice: Choice; readonly cachedTokens: number }[],
  finished: readonly Finished[],
): Usage {
  const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
  const firstChoices = running.filter(({ choice }) => choice.index % plan.settings.choices === 0);
  return usageOf(
    promptTokensOf(plan),
    sum(firstChoices.map(({ cachedTokens }) => cachedTokens)),
    sum(finished.map(({ tokens }) => tokens)),
  );
}
