import type { IncomingMessage, ServerResponse } from 'node:http';
import { makeLoad } from '../../../scripts/lib/k8s/load.js';
import { listen, type Listening } from '../../../services/lib/process/listen.js';

describe('the load of the end-to-end test', () => {
  let server: Listening;
  afterEach(() => server.close());

  /** Answers as `handle` does; the load ends with the `requests`-th. */
  async function load(requests: number, handle: (turn: number, response: ServerResponse) => void) {
    const stop = new AbortController();
    let turn = 0;
    const answer = (_request: IncomingMessage, response: ServerResponse): void => {
      turn++;
      if (turn >= requests) stop.abort();
      handle(turn, response);
    };
    server = await listen(answer, '127.0.0.1', 0);
    return makeLoad(`http://127.0.0.1:${server.port}`, { clients: 2, maxTokens: 5 }, stop.signal);
  }
  const tokens = (count: number): string => JSON.stringify({ usage: { completion_tokens: count } });

  it('counts what is answered, also what still ran when it stopped', async () => {
    const result = await load(6, (_turn, response) => response.end(tokens(5)));
    expect(result.failures).toEqual([]);
    expect(result.answered).toBeGreaterThanOrEqual(6);
    expect(result.tokens).toBe(result.answered * 5);
  });

  it('counts refusals, answers that are cut short, and connections that break, each as a failure', async () => {
    const result = await load(4, (turn, response) => {
      if (turn === 1) response.writeHead(503).end('no route');
      else if (turn === 2) response.end(tokens(3));
      else if (turn === 3) response.destroy();
      else response.end(tokens(5));
    });
    expect(result.failures).toHaveLength(3);
    const text = result.failures.join();
    for (const reason of ['503 no route', '3 of 5 tokens', 'fetch failed']) expect(text).toContain(reason);
  });
});
