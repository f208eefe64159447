import express, { type Express } from 'express';
import { listen, type Listening } from '../../../../services/lib/process/listen.js';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { ollama } from '../../../../services/lib/openai/dialect.js';
import { EventStream } from '../../../../services/lib/openai/event-stream.js';
import { abortOnDisconnect } from '../../../../services/gateway/http/abort-on-disconnect.js';
import { limitsFor } from '../../../../services/gateway/http/gateway.js';
import { dialectOf, knowDialect, speak } from '../../../../services/gateway/http/middleware/dialects.js';
import { respondWithError } from '../../../../services/gateway/http/middleware/errors.js';
import { requestId } from '../../../../services/gateway/http/middleware/request-id.js';
import { eventually } from '../../../support/eventually.js';
import { RawClient } from '../../../support/raw-client.js';
import { startTestGateway } from '../test-gateway.js';

describe('whoever asks', () => {
  it.each([
    ['/v1/messages/batches', { type: 'error', error: { type: 'not_found_error' }, request_id: 'r7' }],
    ['/v1/messages/x/y', { type: 'error' }],
    ['/api/pull', { error: expect.stringMatching(/does not exist .*\[route_not_found\]$/) as string }],
    ['/API/pull', { error: expect.any(String) as string }],
    ['/apiary', { error: { code: 'route_not_found' } }],
    ['/v1/messages2', { error: { code: 'route_not_found' } }],
  ])('below %s is told that there is nothing in its own words', async (path, body) => {
    const gateway = await startTestGateway();
    const headers = { 'x-request-id': 'r7' };
    const missing = await gateway.post(path, {}, headers);
    const malformed = await gateway.post(path, '{', headers);
    await gateway.close();
    expect([missing.status, malformed.status]).toEqual([404, 400]);
    const got = (await missing.json()) as object;
    expect(got).toMatchObject(body);
    expect(Object.keys((await malformed.json()) as object)).toEqual(Object.keys(got));
  });
});

describe('an answer that has ended', () => {
  it('is left alone by what goes wrong after it, which is logged', async () => {
    const logged: string[] = [];
    const app = express().use(knowDialect, requestId, (_request, response) => {
      response.json({ a: 1 });
      throw new ServingError('internal', 'too late');
    });
    const log = { error: (_fields: object, message: string) => void logged.push(message) };
    app.use(respondWithError({ admission: { retryAfterSeconds: () => 1 }, log } as never));
    const server = await listen(app, '127.0.0.1', 0);
    for (const times of [1, 2]) {
      const answer = await fetch(`http://127.0.0.1:${server.port}/`);
      expect(await answer.json()).toEqual({ a: 1 });
      await eventually('it is logged', () => logged.length === times);
    }
    await server.close();
  });
});

describe('a stream of JSON lines', () => {
  let server: Listening;
  const start = async (app: Express): Promise<RawClient> => {
    server = await listen(app, '127.0.0.1', 0);
    return RawClient.connect(server.port);
  };
  afterEach(() => server.close());

  const begin = (aborted: () => void): Express =>
    express().use(knowDialect, requestId, (_request, response) => {
      speak(response, ollama);
      const { signal } = abortOnDisconnect(response);
      const events = new EventStream(response, dialectOf(response), signal, limitsFor(1_000));
      events.send([{ data: { a: 1 } }]);
      signal.addEventListener('abort', () => {
        events.close();
        aborted();
      });
    });

  it('asks a client that has ended its sending half in a way that breaks no line, and ends when it is gone', async () => {
    let aborted = false;
    const client = await start(begin(() => (aborted = true)));
    client.post('/', {}).halfClose();
    const chunks = (): string[] =>
      client.received.split('\r\n').slice(client.received.split('\r\n').indexOf('') + 1);
    await eventually('it has been asked twice', () => chunks().filter((chunk) => chunk === ' ').length > 1);
    const lines = chunks().filter((_chunk, index) => index % 2 === 1);
    expect(JSON.parse(lines.join(''))).toEqual({ a: 1 });
    expect(aborted).toBe(false);
    client.socket.destroy();
    await eventually('nobody is written to', () => aborted);
  });

  it('ends with an error as a line', async () => {
    const app = express().use(knowDialect, requestId, (_request, response) => {
      speak(response, ollama);
      const { signal } = abortOnDisconnect(response);
      const events = new EventStream(response, ollama, signal, limitsFor(1_000));
      events.send([{ data: { a: 1 } }]);
      events.close();
      throw new ServingError('stream_broken', 'gone');
    });
    const log = { error: () => undefined };
    app.use(respondWithError({ admission: { retryAfterSeconds: () => 1 }, log } as never));
    server = await listen(app, '127.0.0.1', 0);
    const text = await (await fetch(`http://127.0.0.1:${server.port}/`)).text();
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as object),
    ).toEqual([{ a: 1 }, { error: expect.stringMatching(/^gone .*\[stream_broken\]$/) as string }]);
  });
});
