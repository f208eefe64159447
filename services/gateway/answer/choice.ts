import { randomUUID } from 'node:crypto';
import type { FittedPrompt } from '../../lib/openai/fit-context.js';
import type { GenerationSettings } from '../../lib/openai/generation-fields.js';
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
}

/** The choices of the first prompt, then of the second, and so on. The i-th of a prompt has `seed + i`. */
export function choicesOf({ prompts, settings, calls }: GenerationPlan): Choice[] {
  const { choices, sampling, stop, includeStop, showSpecial, cacheSalt } = settings;
  return prompts.flatMap(({ ids, maxTokens }, prompt) =>
    Array.from({ length: choices }, (_, number) => ({
      index: prompt * choices + number,
      prompt: ids,
      maxTokens,
      stop,
      includeStop,
      showSpecial,
      calls,
      ...(cacheSalt !== null && { cacheSalt }),
      sampling: { ...sampling, seed: sampling.seed + number },
    })),
  );
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

/** A prompt counts once, however many choices it has; what of it was cached is told of its first. */
export function usageOfPlan(
  { prompts, settings }: GenerationPlan,
  running: readonly { readonly choice: Choice; readonly cachedTokens: number }[],
  finished: readonly Finished[],
): Usage {
  const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
  const firstChoices = running.filter(({ choice }) => choice.index % settings.choices === 0);
  return usageOf(
    sum(prompts.map(({ ids }) => ids.length)),
    sum(firstChoices.map(({ cachedTokens }) => cachedTokens)),
    sum(finished.map(({ tokens }) => tokens)),
  );
}
