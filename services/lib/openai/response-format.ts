import type { StreamEvent } from './dialect.js';
import { chatLogprobs, completionLogprobs, promptLogprobs, type RatedToken } from './logprobs.js';

export type FinishReason = 'stop' | 'length' | 'tool_calls';

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

/** What is known of an answer as a whole. */
export interface Summary {
  readonly usage: Usage;
  /** Where the time went, where that was asked for. */
  readonly timings: SummedTimes | undefined;
}

/** Milliseconds, of what else there may be to tell. */
interface SummedTimes {
  readonly total_ms: number;
  /** The prompt's rounds. */
  readonly prefill_ms: number;
  /** All later rounds. */
  readonly decode_ms: number;
}

/** One choice as far as the client sees it. Token ids are given where it asked for them. */
interface ChoiceStart {
  readonly index: number;
  readonly promptTokenIds?: readonly number[];
}

interface ChoiceDelta {
  readonly index: number;
  readonly text: string;
  /** At least one, where there are any. */
  readonly toolCalls?: readonly ToolCallPiece[];
  readonly tokenIds?: readonly number[];
  /** Of the tokens whose text has begun to be shown; where they are wanted. */
  readonly logprobs?: readonly RatedToken[];
}

export interface FinishedChoice extends ChoiceStart, Omit<ChoiceDelta, 'toolCalls'> {
  readonly toolCalls?: readonly ToolCall[];
  readonly finishReason: FinishReason;
  /** Of the prompt, apart from the answer; where they are wanted. */
  readonly promptLogprobs?: readonly RatedToken[];
  /** The stop string that ended it, where one did. */
  readonly stopString?: string;
}

/** A call of a tool, whose arguments are a text of JSON. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

/** What has come of a call: its id and name with the first piece, then more of its arguments. */
export interface ToolCallPiece extends Partial<ToolCall> {
  /** Counts the calls of a choice. */
  readonly index: number;
  readonly arguments: string;
}

/** The calls that a choice's pieces make, in order. */
export function wholeCalls(pieces: Iterable<ToolCallPiece>): ToolCall[] {
  const calls: { id: string; name: string; arguments: string }[] = [];
  for (const { index, id = '', name = '', arguments: text } of pieces) {
    calls[index] ??= { id, name, arguments: '' };
    calls[index].arguments += text;
  }
  return calls;
}

/**
 * What a step brought, in the order in which it was written: the rest of a call that had begun stands before its text, and calls
 * that begin with it behind.
 */
export function asWritten({
  text,
  toolCalls = [],
}: Pick<ChoiceDelta, 'text' | 'toolCalls'>): (string | ToolCallPiece)[] {
  const rest = toolCalls.filter(({ id }) => id === undefined);
  const begun = toolCalls.filter(({ id }) => id !== undefined);
  return [...rest, ...(text === '' ? [] : [text]), ...begun];
}

/** What a tool is called with, for who wants it as an object; null if the call was cut off within it. */
export function callInput({ arguments: text }: ToolCall): Readonly<Record<string, unknown>> | null {
  try {
    const input: unknown = JSON.parse(text);
    return typeof input === 'object' ? (input as Record<string, unknown> | null) : null;
  } catch {
    return null;
  }
}

/**
 * How an endpoint words its answer: whole, or as the events of a stream, which are asked for in the order in which they are
 * sent. One format is for one answer.
 */
export interface ResponseFormat {
  response(choices: readonly FinishedChoice[], summary: Summary): object;
  /** What a choice begins with, if anything, when so much has been used of it. */
  start(choice: ChoiceStart, begun: Usage): readonly StreamEvent[];
  delta(choice: ChoiceDelta): readonly StreamEvent[];
  /** `stopString`: the one that ended the choice, where one did. */
  finish(index: number, reason: FinishReason, stopString?: string): readonly StreamEvent[];
  /** What comes after the last choice has finished, if anything. */
  summary(summary: Summary): readonly StreamEvent[];
}

export interface ResponseHead {
  readonly model: string;
  /** Unix time, seconds. */
  readonly created: number;
  /** Random part of the id. */
  readonly key: string;
  /** Whether a stream tells the usage: then every chunk but the last carries `usage: null`. */
  readonly includeUsage: boolean;
}

type Chunk = (choices: readonly object[], more?: object) => StreamEvent;

/** The chunk after the last, with no choices, where there is anything to tell in it. */
function lastChunk({ usage, timings }: Summary, includeUsage: boolean, chunk: Chunk): readonly StreamEvent[] {
  if (!includeUsage && timings === undefined) return [];
  return [chunk([], { usage: includeUsage ? usage : undefined, timings })];
}

/** `chat.completion` and `chat.completion.chunk`. */
export function chatFormat({ key, created, model, includeUsage }: ResponseHead): ResponseFormat {
  const id = `chatcmpl-${key}`;
  const noUsage = includeUsage ? { usage: null } : {};
  const chunk: Chunk = (choices, more = noUsage) => ({
    data: { id, object: 'chat.completion.chunk', created, model, choices, ...more },
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
      choices: choices.map(({ index, text, toolCalls, tokenIds, logprobs, finishReason }) => ({
        index,
        message: {
          role: 'assistant',
          content: toolCalls !== undefined && text === '' ? null : text,
          refusal: null,
          tool_calls: toolCalls?.map(({ id, ...call }) => ({ id, type: 'function', function: call })),
        },
        logprobs: logprobs === undefined ? null : chatLogprobs(logprobs),
        finish_reason: finishReason,
        token_ids: tokenIds,
      })),
      ...summary,
      prompt_token_ids: choices[0]?.promptTokenIds,
      prompt_logprobs: choices[0]?.promptLogprobs && promptLogprobs(choices[0].promptLogprobs),
    }),
    start: ({ index, promptTokenIds }) => [
      chunk([choice(index, { role: 'assistant', content: '' })], {
        ...noUsage,
        prompt_token_ids: promptTokenIds,
      }),
    ],
    delta: ({ index, text, toolCalls, tokenIds, logprobs = [] }) => {
      const content = toolCalls !== undefined && text === '' ? {} : { content: text };
      const calls = { tool_calls: toolCalls?.map(callDelta) };
      const rated = logprobs.length > 0 && { logprobs: chatLogprobs(logprobs) };
      return [chunk([choice(index, { ...content, ...calls }, { token_ids: tokenIds, ...rated })])];
    },
    finish: (index, reason) => [chunk([choice(index, {}, { finish_reason: reason })])],
    summary: (summary) => lastChunk(summary, includeUsage, chunk),
  };
}

const callDelta = ({ index, id, name, arguments: text }: ToolCallPiece): object => ({
  index,
  ...(id !== undefined && { id, type: 'function' }),
  function: { name, arguments: text },
});

/** `text_completion`, whole and in chunks alike. */
export function completionFormat({ key, created, model, includeUsage }: ResponseHead): ResponseFormat {
  const noUsage = includeUsage ? { usage: null } : {};
  const body = (choices: readonly object[], more: object): object => ({
    id: `cmpl-${key}`,
    object: 'text_completion',
    created,
    model,
    choices,
    ...more,
  });
  const chunk: Chunk = (choices, more = noUsage) => ({ data: body(choices, more) });
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
        choices.map(
          ({ index, text, tokenIds, promptTokenIds, finishReason, logprobs, promptLogprobs: prompt }) =>
            choice(index, text, {
              logprobs: logprobs === undefined ? null : completionLogprobs(logprobs),
              prompt_logprobs: prompt && promptLogprobs(prompt),
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
        ? []
        : [chunk([choice(index, '', { token_ids: [], prompt_token_ids: promptTokenIds })])],
    delta: ({ index, text, tokenIds, logprobs = [] }) => {
      const rated = logprobs.length > 0 && { logprobs: completionLogprobs(logprobs) };
      return [chunk([choice(index, text, { token_ids: tokenIds, ...rated })])];
    },
    finish: (index, reason) => [chunk([choice(index, '', { finish_reason: reason })])],
    summary: (summary) => lastChunk(summary, includeUsage, chunk),
  };
}
