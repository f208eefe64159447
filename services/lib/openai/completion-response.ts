import type { ResponseFormat, ResponseHead } from './response-format.js';

/** `text_completion`, whole and in chunks alike. */
export function completionFormat({ key, created, model, includeUsage }: ResponseHead): ResponseFormat {
  const noUsage = includeUsage ? { usage: null } : {};
  const body = (choices: readonly object[], more: object = noUsage): object => ({
    id: `cmpl-${key}`,
    object: 'text_completion',
    created,
    model,
    choices,
    ...more,
  });
  const choice = (index: number, text: string, more: object = {}): object => ({
    index,
    text,
    logprobs: null,
    finish_reason: null,
    ...more,
  });

  return {
    response: (choices, summary) =>
      body(
        choices.map(({ index, text, tokenIds, promptTokenIds, finishReason }) =>
          choice(index, text, {
            finish_reason: finishReason,
            token_ids: tokenIds,
            prompt_token_ids: promptTokenIds,
          }),
        ),
        { ...summary },
      ),
    // A text has no role to announce: only what the client asked to see of its prompt.
    start: ({ index, promptTokenIds }) =>
      promptTokenIds === undefined
        ? null
        : body([choice(index, '', { token_ids: [], prompt_token_ids: promptTokenIds })]),
    delta: ({ index, text, tokenIds }) => body([choice(index, text, { token_ids: tokenIds })]),
    finish: (index, reason) => body([choice(index, '', { finish_reason: reason })]),
    summary: (summary) => body([], { ...summary }),
  };
}
