import type { Completion } from '../types.js';

/** How a server is asked for a completion, and where its stream tells of tokens. */
export interface Dialect {
  readonly path: string;
  body(completion: Completion): object;
  /** For one answer: how many tokens more each event tells of. */
  reader(): (event: unknown) => number;
}

/** OpenAI's completions with vLLM's fields: `return_token_ids` lets every token be counted, also half a character. */
export function openAiDialect(model: string): Dialect {
  return {
    path: '/v1/completions',
    body: ({ prompt, outputTokens }) => ({
      model,
      prompt,
      max_tokens: outputTokens,
      ignore_eos: true,
      temperature: 0,
      stream: true,
      return_token_ids: true,
    }),
    reader: () => (event) => {
      const { choices, error } = event as OpenAiChunk;
      if (error !== undefined) throw new Error(error.message);
      const choice = choices?.[0];
      // Servers that do not know the field send one token in each chunk that has text.
      return choice?.token_ids?.length ?? (choice?.text ? 1 : 0);
    },
  };
}

interface OpenAiChunk {
  readonly choices?: readonly { readonly text?: string; readonly token_ids?: readonly number[] | null }[];
  readonly error?: { readonly message: string };
}

/** llama.cpp's own completions: each event says how many tokens there are by now, also those it still holds back. */
export const llamaDialect: Dialect = {
  path: '/completion',
  body: ({ prompt, outputTokens }) => ({
    prompt,
    n_predict: outputTokens,
    ignore_eos: true,
    // Greedy with the shortest chain of samplers.
    samplers: ['top_k'],
    top_k: 1,
    temperature: 0,
    stream: true,
    cache_prompt: false,
  }),
  reader: () => {
    let soFar = 0;
    return (event) => {
      const { tokens_predicted: predicted = soFar, error } = event as LlamaChunk;
      if (error !== undefined) throw new Error(error.message);
      const more = predicted - soFar;
      soFar = predicted;
      return more;
    };
  },
};

interface LlamaChunk {
  readonly tokens_predicted?: number;
  readonly error?: { readonly message: string };
}
