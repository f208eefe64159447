import { ServingError } from '../errors/serving-error.js';
import type { GenerationSettings } from './generation-fields.js';

/** What becomes of a request for more tokens than there is room for after its prompt: it gets the room, or an error. */
export type MaxTokensPolicy = 'clamp' | 'strict';

export interface OutputLimits {
  /** What the client asked for; null if it did not say. */
  readonly requested: number | null;
  /** What it gets then, if the context has room for it. */
  readonly fallback: number;
  readonly minTokens: number;
  readonly policy: MaxTokensPolicy;
  /** Keep only so many of the prompt's last tokens; -1: what leaves room for an answer; null: all. */
  readonly truncatePrompt: number | null;
}

/** OpenAI words its errors by what holds the prompt. */
export type PromptField = 'messages' | 'prompt' | 'input';

export interface FittedPrompt {
  readonly ids: readonly number[];
  /** What the context leaves room for and the client asked for. */
  readonly maxTokens: number;
  /** Whether the client asked for more. */
  readonly clamped: boolean;
}

/** What a request says of the length of prompt and answer. */
export function outputLimits(
  { maxTokens, truncatePrompt, sampling }: GenerationSettings,
  fallback: number,
  policy: MaxTokensPolicy,
): OutputLimits {
  return { requested: maxTokens, fallback, minTokens: sampling.minTokens, policy, truncatePrompt };
}

/**
 * A prompt and how many tokens may be generated after it. Throws `context_length_exceeded`, in OpenAI's
 * words, or `invalid_value` for a prompt without tokens and when min_tokens cannot be reached.
 */
export function fitContext(
  prompt: readonly number[],
  limits: OutputLimits,
  contextLength: number,
  field: PromptField,
): FittedPrompt {
  if (prompt.length === 0)
    throw new ServingError('invalid_value', `${field} has no tokens`, { param: field });
  const { requested, fallback, minTokens } = limits;
  const ids = truncate(prompt, limits, contextLength);
  const room = contextLength - ids.length;
  const needed = limits.policy === 'strict' ? (requested ?? 1) : Math.min(requested ?? 1, 1);
  if (room < needed) throw overflow(ids.length, requested, contextLength, field);

  const maxTokens = Math.min(requested ?? fallback, room);
  if (minTokens > maxTokens) {
    const problem = `min_tokens is ${minTokens}, more than the ${maxTokens} tokens that may be generated`;
    throw new ServingError('invalid_value', problem, { param: 'min_tokens' });
  }
  return { ids, maxTokens, clamped: requested !== null && requested > maxTokens };
}

/** The end of a prompt, as the client wants it. An answer of any length leaves the prompt at least half of the context. */
function truncate(
  prompt: readonly number[],
  { truncatePrompt, requested, fallback }: OutputLimits,
  contextLength: number,
): readonly number[] {
  if (truncatePrompt === null) return prompt;
  const answer = Math.min(requested ?? fallback, Math.floor(contextLength / 2));
  const kept = truncatePrompt === -1 ? contextLength - answer : truncatePrompt;
  return prompt.slice(-kept);
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
