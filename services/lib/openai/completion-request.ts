import { z } from 'zod';
import { ServingError } from '../errors/serving-error.js';
import { readForm } from './fields/constraints.js';
import { arrayOf, parseBody, tokenIds } from './parse-body.js';
import {
  generationFields,
  requireTokenIds,
  validateGeneration,
  type GenerationSettings,
} from './generation-fields.js';
import { completionLogprobFields, completionLogprobs } from './fields/logprobs.js';
import { refuseFields, refusedInCompletions } from './fields/refused.js';
import type { ServedModel } from './served-model.js';

export const rawCompletionRequest = z.looseObject({
  ...generationFields,
  ...completionLogprobFields,
  prompt: z.union([z.string(), tokenIds, arrayOf(z.string()), arrayOf(tokenIds)], {
    error: 'expected a string, token ids, or an array of either',
  }),
});

export interface CompletionRequest {
  /** Texts, or token ids. */
  readonly prompts: readonly (string | readonly number[])[];
  readonly settings: GenerationSettings;
}

/** The body of `POST /v1/completions`, checked. Throws a ServingError that names the field. */
export function readCompletionRequest(body: unknown, model: ServedModel): CompletionRequest {
  const raw = parseBody(rawCompletionRequest, body);
  refuseFields(raw, refusedInCompletions);
  const prompts = promptsOf(raw.prompt);
  if (prompts.length === 0 || prompts.some((prompt) => prompt.length === 0)) {
    throw new ServingError('invalid_value', 'prompt is empty', { param: 'prompt' });
  }
  for (const prompt of prompts) {
    if (typeof prompt !== 'string') requireTokenIds(prompt, model, 'prompt');
  }
  const asked = { logprobs: completionLogprobs(raw, model), form: readForm(raw) };
  return { prompts, settings: validateGeneration(raw, model, asked) };
}

function promptsOf(
  prompt: z.infer<typeof rawCompletionRequest>['prompt'],
): readonly (string | readonly number[])[] {
  if (typeof prompt === 'string') return [prompt];
  return isTokenIds(prompt) ? [prompt] : prompt;
}

const isTokenIds = (prompt: readonly unknown[]): prompt is readonly number[] => typeof prompt[0] === 'number';
