import type { FittedPrompt } from '../lib/openai/fit-context.js';
import type { GenerationSettings } from '../lib/openai/generation-fields.js';
import type { ResponseFormat } from '../lib/openai/response-format.js';
import type { GenerateRequest } from './backend.js';

/** A request, ready to be run. */
export interface GenerationPlan {
  readonly prompts: readonly FittedPrompt[];
  readonly settings: GenerationSettings;
  readonly format: ResponseFormat;
  /** Whether the client wants to be told where the time went. */
  readonly timed: boolean;
}

/** One of the answers that a request asks for: a sequence of its own. */
export interface Choice extends GenerateRequest {
  readonly index: number;
  readonly stop: readonly string[];
  readonly includeStop: boolean;
}

/** The choices of the first prompt, then of the second, and so on. The i-th of a prompt has `seed + i`. */
export function choicesOf({ prompts, settings }: GenerationPlan): Choice[] {
  const { choices, sampling, stop, includeStop, cacheSalt } = settings;
  return prompts.flatMap(({ ids, maxTokens }, prompt) =>
    Array.from({ length: choices }, (_, number) => ({
      index: prompt * choices + number,
      prompt: ids,
      maxTokens,
      stop,
      includeStop,
      ...(cacheSalt !== null && { cacheSalt }),
      sampling: { ...sampling, seed: sampling.seed + number },
    })),
  );
}
