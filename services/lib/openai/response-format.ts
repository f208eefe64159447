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
