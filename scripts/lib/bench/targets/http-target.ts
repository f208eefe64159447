import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Completion, Target } from '../types.js';
import type { Dialect } from './dialect.js';
import { SseData } from './sse-data.js';

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
    const response = await postJson(
      this.#url + this.#dialect.path,
      JSON.stringify(this.#dialect.body(completion)),
      signal,
    );
    if (response.statusCode !== 200) {
      throw new Error(`HTTP ${response.statusCode ?? '?'}: ${(await text(response)).slice(0, 300)}`);
    }
    const data = new SseData();
    const tokensOf = this.#dialect.reader();
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
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
  });
  // Until there is a response `once` rejects with it; after that the response itself fails.
  call.on('error', () => undefined);
  call.end(body);
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  return response;
}
