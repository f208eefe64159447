import type { ResponseFormat, ResponseHead } from './response-format.js';

/** `chat.completion` and `chat.completion.chunk`. */
export function chatFormat({ key, created, model, includeUsage }: ResponseHead): ResponseFormat {
  const id = `chatcmpl-${key}`;
  const noUsage = includeUsage ? { usage: null } : {};
  const chunk = (choices: readonly object[], more: object = noUsage): object => ({
    id,
    object: 'chat.completion.chunk',
    created,
    model,
    choices,
    ...more,
  });
  const choice = (index: number, delta: object, more: object = {}): object => ({
    index,
    delta,
    logprobs: null,
    finish_reason: null,
    ...more,
  });

  return {
    response: (choices, summary) => ({
      id,
      object: 'chat.completion',
      created,
      model,
      choices: choices.map(({ index, text, tokenIds, finishReason }) => ({
        index,
        message: { role: 'assistant', content: text, refusal: null },
        logprobs: null,
        finish_reason: finishReason,
        token_ids: tokenIds,
      })),
      ...summary,
      prompt_token_ids: choices[0]?.promptTokenIds,
    }),
    start: ({ index, promptTokenIds }) =>
      chunk([choice(index, { role: 'assistant', content: '' })], {
        ...noUsage,
        prompt_token_ids: promptTokenIds,
      }),
    delta: ({ index, text, tokenIds }) => chunk([choice(index, { content: text }, { token_ids: tokenIds })]),
    finish: (index, reason) => chunk([choice(index, {}, { finish_reason: reason })]),
    summary: (summary) => chunk([], { ...summary }),
  };
}
