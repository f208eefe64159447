import type { ServingError } from '../errors/serving-error.js';

export type FinishReason = 'stop' | 'length';

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  /** Of the prompt's tokens, those whose keys and values an earlier request had left behind. */
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

export function usageOf(promptTokens: number, cachedTokens: number, completionTokens: number): Usage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

/** What is told of an answer as a whole, where it was asked for. */
export interface Summary {
  readonly usage?: Usage | undefined;
  /** Where the time went. */
  readonly timings?: object | undefined;
}

/** One choice as far as the client sees it. Token ids are given where it asked for them. */
export interface ChoiceStart {
  readonly index: number;
  readonly promptTokenIds?: readonly number[];
}

export interface ChoiceDelta {
  readonly index: number;
  readonly text: string;
  readonly tokenIds?: readonly number[];
}

export interface FinishedChoice extends ChoiceStart, ChoiceDelta {
  readonly finishReason: FinishReason;
}

/** How an endpoint words its answer: whole, or as the chunks of a stream. */
export interface ResponseFormat {
  response(choices: readonly FinishedChoice[], summary: Summary & { readonly usage: Usage }): object;
  /** What a choice begins with, if anything. */
  start(choice: ChoiceStart): object | null;
  delta(choice: ChoiceDelta): object;
  finish(index: number, reason: FinishReason): object;
  /** The chunk after the last, for what was asked to be told of the whole. */
  summary(summary: Summary): object;
}

export interface ResponseHead {
  readonly model: string;
  /** Unix time, seconds. */
  readonly created: number;
  /** Random part of the id. */
  readonly key: string;
  /** Then every chunk but the last carries `usage: null`. */
  readonly includeUsage: boolean;
}

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

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

/** What a client sent comes back in messages; not at any length, and on one line. */
const MAX_TEXT = 1_000;
const oneLine = (text: string): string => text.slice(0, MAX_TEXT).replace(/[\r\n\u2028\u2029]/g, ' ');

/** OpenAI's error body. What went wrong inside is for the log: the client of an `internal` error learns the code. */
export function errorBody(error: ServingError): ErrorBody {
  const message = error.code === 'internal' ? 'internal error' : oneLine(error.message);
  return {
    error: {
      message: error.hint === '' ? message : `${message} (${error.hint})`,
      type: error.kind.type,
      param: error.param === null ? null : oneLine(error.param),
      code: error.code,
    },
  };
}
