import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { createParser } from 'eventsource-parser';
import { clientKey } from '../shown-keys.js';
import type { Completion, Target } from './types.js';

/** A server that streams completions over HTTP. Each request has a connection of its own, as clients have. */
export class HttpTarget implements Target {
  readonly #url: string;
  readonly #dialect: Dialect;

  constructor(url: string, dialect: Dialect) {
    this.#url = url;
    this.#dialect = dialect;
  }

  async complete(
    completion: Completion,
    onTokens: (count: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { path, body, reader } = this.#dialect;
    const response = await postJson(this.#url + path, JSON.stringify(body(completion)), signal);
    if (response.statusCode !== 200) {
      throw new Error(`HTTP ${response.statusCode ?? '?'}: ${(await text(response)).slice(0, 300)}`);
    }
    const data = new SseData();
    const tokensOf = reader();
    for await (const piece of response.setEncoding('utf8')) {
      let count = 0;
      for (const event of data.push(piece as string)) count += tokensOf(JSON.parse(event));
      if (count > 0) onTokens(count);
    }
  }
}

/** Over a connection of its own. Resolves with the head of the response; rejects when none comes. */
export async function postJson(url: string, body: string, signal: AbortSignal): Promise<IncomingMessage> {
  const call = request(url, {
    method: 'POST',
    agent: false,
    signal,
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      ...clientKey(),
    },
  });
  // Until there is a response `once` rejects with it; after that the response itself fails.
  call.on('error', () => undefined);
  call.end(body);
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  return response;
}

/** Cuts a stream of server-sent events into the data of each, whatever pieces it arrives in. */
export class SseData {
  readonly #found: string[] = [];
  readonly #parser = createParser({ onEvent: ({ data }) => this.#found.push(data) });

  /** The data of the events that are complete with this piece, without `[DONE]`. */
  push(piece: string): string[] {
    this.#parser.feed(piece);
    return this.#found.splice(0).filter((data) => data !== '' && data !== '[DONE]');
  }
}

/** How a server is asked for a completion, and where its stream tells of tokens. */
export interface Dialect {
  readonly path: string;
  readonly body: (completion: Completion) => object;
  /** For one answer: how many tokens more each event tells of. */
  readonly reader: () => (event: unknown) => number;
}

interface Chunk {
  readonly error?: { readonly message: string };
}

interface OpenAiChunk extends Chunk {
  readonly choices?: readonly { readonly text?: string; readonly token_ids?: readonly number[] | null }[];
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

interface LlamaChunk extends Chunk {
  readonly tokens_predicted?: number;
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
