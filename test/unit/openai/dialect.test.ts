import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { anthropic, ollama, openai, type Dialect } from '../../../services/lib/openai/dialect.js';
import { EventStream, OwedTotal } from '../../../services/lib/openai/event-stream.js';

const REQUEST = 'req-1';

describe('an error', () => {
  const wrong = new ServingError('invalid_value', 'top_k: not\na number', {
    param: 'top_k',
    hint: 'mend it',
  });
  const text = 'top_k: not a number (mend it)';

  it.each([
    [
      'openai',
      openai,
      { error: { message: text, type: 'invalid_request_error', param: 'top_k', code: 'invalid_value' } },
    ],
    [
      'anthropic',
      anthropic,
      {
        type: 'error',
        error: { type: 'invalid_request_error', message: `${text} [invalid_value]` },
        request_id: REQUEST,
      },
    ],
    ['ollama', ollama, { error: `${text} [invalid_value]` }],
  ])('is worded as %s words it, as a body and in a stream', (_name, dialect, body) => {
    expect(dialect.errorBody(wrong, REQUEST)).toEqual(body);
    expect(dialect.errorEvent(wrong, REQUEST).data).toEqual(body);
  });

  it.each([openai, anthropic, ollama])('that is internal says no more than that', (dialect) => {
    const inside = ServingError.from(new Error('the password is hunter2'));
    expect(JSON.stringify(dialect.errorBody(inside, REQUEST))).toContain('internal error');
    expect(JSON.stringify(dialect.errorBody(inside, REQUEST))).not.toContain('hunter2');
  });

  it.each([
    ['invalid_json', 'invalid_request_error'],
    ['request_too_large', 'request_too_large'],
    ['model_not_found', 'not_found_error'],
    ['too_many_requests', 'rate_limit_error'],
    ['stage_unavailable', 'overloaded_error'],
    ['internal', 'api_error'],
  ] as const)('%s is of the type %s to Anthropic', (code, type) => {
    const body = anthropic.errorBody(new ServingError(code, 'x'), REQUEST);
    expect(body).toMatchObject({ error: { type } });
  });
});

describe('a stream', () => {
  /** What a client gets of a stream that pauses before its last event, for long enough for several keep-alives. */
  async function streamed(dialect: Dialect): Promise<{ type: string | undefined; text: string }> {
    const options = { keepAliveMs: 5, stallMs: 1_000, owedBytes: 1_000, owed: new OwedTotal(1_000) };
    const answer = async (response: ServerResponse): Promise<void> => {
      const events = new EventStream(response, dialect, new AbortController().signal, options);
      events.send([{ event: 'start', data: { text: 'a\nb' } }, { data: { text: '\u0085\u2028\u2029' } }]);
      events.send([]);
      await delay(100);
      events.send([{ event: 'stop', data: { done: true } }]);
      events.close();
      events.end();
    };
    const server = createServer((_request, response) => void answer(response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const [response] = (await once(get({ port }), 'response')) as [IncomingMessage];
    let text = '';
    for await (const piece of response) text += String(piece);
    server.close();
    return { type: response.headers['content-type'], text };
  }

  it('of server-sent events has names where events have them, comments in its pauses, and a mark at its end', async () => {
    const { type, text } = await streamed(openai);
    expect(type).toBe('text/event-stream; charset=utf-8');
    expect(text.split('\n\n').filter((block) => block !== ': keep-alive')).toEqual([
      'event: start\ndata: {"text":"a\\nb"}',
      'data: {"text":"\\u0085\\u2028\\u2029"}',
      'event: stop\ndata: {"done":true}',
      'data: [DONE]',
      '',
    ]);
    expect(text).toContain(': keep-alive\n\n: keep-alive\n\n');
    const { text: named } = await streamed(anthropic);
    expect(named).toMatch(/data: {"done":true}\n\n$/);
    expect(named).toContain('event: ping\ndata: {"type":"ping"}\n\nevent: ping\n');
    expect(named).not.toContain(': keep-alive');
  });

  it('of JSON lines has a document on every line, pauses or none', async () => {
    const { type, text } = await streamed(ollama);
    expect(type).toBe('application/x-ndjson');
    // As Python's splitlines has it.
    const lines = text.split(/[\n\r\u0085\u2028\u2029]/);
    expect(lines.pop()).toBe('');
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
      { text: 'a\nb' },
      { text: '\u0085\u2028\u2029' },
      { done: true },
    ]);
    expect(lines.at(-1)).toMatch(/^ {2,}{/);
  });
});
