import { ServingError } from '../errors/serving-error.js';

export interface OutputLimits {
  /** What the client asked for; null if it did not say. */
  readonly requested: number | null;
  /** What it gets then, if the context has room for it. */
  readonly fallback: number;
  readonly minTokens: number;
}

/** OpenAI words its errors by what holds the prompt. */
export type PromptField = 'messages' | 'prompt';

/**
 * How many tokens may be generated after a prompt of so many. Throws `context_length_exceeded`, in OpenAI's
 * words, or `invalid_value` for a prompt without tokens and when min_tokens can not be reached.
 */
export function fitContext(
  promptTokens: number,
  limits: OutputLimits,
  contextLength: number,
  field: PromptField,
): number {
  if (promptTokens === 0) throw new ServingError('invalid_value', `${field} has no tokens`, { param: field });
  const room = contextLength - promptTokens;
  const { requested, fallback, minTokens } = limits;
  if (room < (requested ?? 1)) throw overflow(promptTokens, requested, contextLength, field);

  const maxTokens = requested ?? Math.min(fallback, room);
  if (minTokens > maxTokens) {
    const problem = `min_tokens is ${minTokens}, more than the ${maxTokens} tokens that may be generated`;
    throw new ServingError('invalid_value', problem, { param: 'min_tokens' });
  }
  return maxTokens;
}

function overflow(
  promptTokens: number,
  requested: number | null,
  contextLength: number,
  field: PromptField,
): ServingError {
  const demand =
    requested === null
      ? `your ${field} resulted in ${promptTokens} tokens`
      : `you requested ${promptTokens + requested} tokens ` +
        `(${promptTokens} in the ${field}, ${requested} in the completion)`;
  const message =
    `This model's maximum context length is ${contextLength} tokens. However, ${demand}. ` +
    `Please reduce the length of the ${field}${requested === null ? '' : ' or completion'}.`;
  return new ServingError('context_length_exceeded', message, { param: field, hint: '' });
}
