import Anthropic from '@anthropic-ai/sdk';
import { Ollama } from 'ollama';
import type { ServedModel } from '../../../../services/lib/openai/served-model.js';
import { eventually } from '../../../support/eventually.js';
import { say } from '../byte-text.js';
import { stuckAfter, tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway, type TestGatewayOptions } from '../test-gateway.js';

const SECOND: Partial<ServedModel> = { id: 'test/second', aliases: ['two'], contextLength: 64, split: [] };
const messages = [{ role: 'user' as const, content: 'Hi' }];

let gateway: TestGateway;
afterEach(() => gateway.close());

async function start(options: TestGatewayOptions = {}): Promise<void> {
  gateway = await startTestGateway({ furtherModels: [SECOND], ...options });
  gateway.backends.forEach((backend, index) => (backend.script = tokensOf(say(`of ${index}`))));
}
const asked = (): number[] => gateway.backends.map(({ requests }) => requests.length);
const get = async (path: string): Promise<{ status: number; body: unknown }> => {
  const response = await fetch(gateway.url + path);
  return { status: response.status, body: await response.json() };
};

describe('a gateway of two models', () => {
  it.each([
    ['/v1/chat/completions', { messages }],
    ['/v1/completions', { prompt: 'Hi' }],
    ['/v1/responses', { input: 'Hi' }],
    ['/v1/messages', { messages, max_tokens: 8 }],
    ['/api/chat', { messages, stream: false }],
    ['/api/generate', { prompt: 'Hi', stream: false }],
  ])('answers %s by the one that is named', async (path, body) => {
    await start();
    for (const [model, ...counts] of [
      ['two', 0, 1],
      ['test/second', 0, 2],
      ['tester', 1, 2],
      [null, 2, 2],
      ['default', 3, 2],
    ] as const) {
      const response = await gateway.post(path, { ...body, model });
      expect(response.status).toBe(200);
      const text = await response.text();
      expect(asked()).toEqual(counts);
      expect(text).toContain(counts[1] > 0 && model !== null && /two|second/.test(model) ? 'of 1' : 'of 0');
    }
    const unknown = await gateway.post(path, { ...body, model: 'Two' });
    expect(unknown.status).toBe(404);
    expect(await unknown.text()).toContain('there is test/model, tester, test/second, two');
    expect(asked()).toEqual([3, 2]);
  });

  it("answers in the name of the one that was asked, to everybody's clients", async () => {
    await start();
    expect((await gateway.client.chat.completions.create({ model: 'two', messages })).model).toBe(
      'test/second',
    );
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'none' });
    const message = await anthropic.messages.create({ model: 'two', max_tokens: 9, messages });
    expect(message.model).toBe('test/second');
    const ollama = new Ollama({ host: gateway.url });
    expect((await ollama.chat({ model: 'two:latest', messages })).model).toBe('two:latest');
    expect(asked()).toEqual([0, 3]);
  });

  it('counts what each does in its own name, whatever a client calls it', async () => {
    await start({ admission: { maxRunning: 1 } });
    await gateway.client.chat.completions.create({ model: 'two', messages });
    expect((await gateway.post('/v1/chat/completions', { model: 'made-up', messages })).status).toBe(404);
    expect((await gateway.post('/v1/chat/completions', { model: 'two', messages, n: 0 })).status).toBe(400);
    const page = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(new Set(Array.from(page.matchAll(/model_name="([^"]*)"/g), ([, name]) => name))).toEqual(
      new Set(['', 'test/model', 'test/second']),
    );
    const failed = 'layermesh_request_failure_total';
    for (const [name, value] of [
      ['layermesh_generation_tokens_total{model_name="test/second"}', 5],
      ['layermesh_generation_tokens_total{model_name="test/model"}', 0],
      ['layermesh_request_success_total{model_name="test/second"}', 1],
      ['layermesh_request_success_total{model_name="test/model"}', 0],
      ['layermesh_time_to_first_token_seconds_count{model_name="test/second"}', 1],
      ['layermesh_request_queue_time_seconds_count{model_name="test/model"}', 0],
      [`${failed}{model_name="",reason="model_not_found"}`, 1],
      [`${failed}{model_name="test/second",reason="invalid_value"}`, 1],
      [`${failed}{model_name="test/model"}`, 0],
    ] as const) {
      expect([name, await gateway.metric(name)]).toEqual([name, value]);
    }
  });

  it('tells of each how many of its sequences run and wait, out of the places that both share', async () => {
    await start({ admission: { maxRunning: 1 } });
    for (const backend of gateway.backends) backend.script = stuckAfter([]);
    const leave = new AbortController();
    const ask = (model: string): void =>
      void fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model, messages }),
        signal: leave.signal,
      }).catch(() => undefined);
    const loads = (): Promise<(number | undefined)[]> =>
      Promise.all(
        ['test/model', 'test/second'].flatMap((name) =>
          ['running', 'waiting'].map((what) =>
            gateway.metric(`layermesh_requests_${what}{model_name="${name}"}`),
          ),
        ),
      );
    expect(await loads()).toEqual([0, 0, 0, 0]);
    ask('tester');
    await eventually('one runs', () => gateway.admission.running === 1);
    ask('two');
    ask('two');
    await eventually('two wait', () => gateway.admission.waiting === 2);
    expect(await loads()).toEqual([1, 0, 0, 2]);
    leave.abort();
    await eventually('all have left', () => gateway.admission.running + gateway.admission.waiting === 0);
    expect(await loads()).toEqual([0, 0, 0, 0]);
  });

  it('checks a request by what its own model can do', async () => {
    await start();
    const prompt = 'x'.repeat(100);
    expect((await gateway.post('/v1/completions', { prompt, model: 'tester' })).status).toBe(200);
    const tooLong = await gateway.post('/v1/completions', { prompt, model: 'two' });
    expect(await tooLong.json()).toMatchObject({ error: { code: 'context_length_exceeded' } });
    const counted = await gateway.post('/tokenize', {
      prompt: 'abc',
      model: 'two',
      add_special_tokens: false,
    });
    expect(await counted.json()).toMatchObject({ count: 3, max_model_len: 64 });
  });

  it('tells of each its context, precision and split', async () => {
    await start();
    expect(await get('/v1/models')).toMatchObject({
      body: {
        data: [
          { id: 'test/model', max_model_len: 200, precision: 'f32', split: [1] },
          { id: 'tester', root: 'test/model' },
          { id: 'test/second', max_model_len: 64, precision: 'f32', split: [] },
          { id: 'two', root: 'test/second' },
        ],
      },
    });
    expect(await get('/v1/models/two')).toMatchObject({ body: { id: 'two', max_model_len: 64 } });
    const ollama = new Ollama({ host: gateway.url });
    expect(await ollama.list()).toMatchObject({
      models: [
        { name: 'test/model' },
        { name: 'tester' },
        { name: 'test/second', details: { quantization_level: 'F32', context_length: 64, split: [] } },
        { name: 'two' },
      ],
    });
    const shown = await ollama.show({ model: 'two' });
    expect(shown).toMatchObject({
      details: { split: [] },
      model_info: { 'llama.context_length': 64, 'general.basename': 'test/second' },
    });
  });

  it('shows of each its topology and report to who asks by name, and of the first to others', async () => {
    await start();
    expect(await get('/topology')).toMatchObject({
      body: { model: 'test/model', models: ['test/model', 'test/second'] },
    });
    expect(await get('/topology?model=two')).toMatchObject({ body: { model: 'test/second' } });
    for (const path of ['/topology', '/report', '/load', '/topology/events', '/ready']) {
      expect(await get(`${path}?model=three`)).toMatchObject({
        status: 404,
        body: {
          error: {
            code: 'model_not_found',
            param: 'model',
            message: expect.not.stringContaining('second') as string,
          },
        },
      });
      expect(await get(`${path}?model=a&model=b`)).toMatchObject({ status: 404 });
    }
    expect(await get('/report?model=two')).toMatchObject({ body: { error: { code: 'nothing_measured' } } });
    expect(await get('/load?model=two')).toMatchObject({ status: 200 });
  });

  it('is ready while one of them is, and says what the other lacks', async () => {
    await start();
    const [first, second] = gateway.backends as [(typeof gateway.backends)[0], (typeof gateway.backends)[0]];
    second.notReady = 'no replica of two-stage-0 can be reached';
    first.warned.push('the registry cannot be reached');
    expect(await get('/ready')).toEqual({
      status: 200,
      body: {
        status: 'ready',
        warnings: ['the registry cannot be reached', 'no replica of two-stage-0 can be reached'],
      },
    });
    expect((await get('/ready?model=two')).status).toBe(503);
    expect((await get('/ready?model=tester')).status).toBe(200);
    first.notReady = 'the gateway is stopping';
    expect(await get('/ready')).toMatchObject({
      status: 503,
      body: {
        error: {
          message: 'the gateway is stopping; no replica of two-stage-0 can be reached',
        },
      },
    });
  });

  it('counts the requests of both for one limit', async () => {
    await start({ admission: { maxRunning: 1, maxWaiting: 0 } });
    gateway.backend.script = stuckAfter([72]);
    const gone = new AbortController();
    const running = fetch(`${gateway.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'Hi', stream: true }),
      signal: gone.signal,
    });
    await eventually('it runs', () => gateway.backend.open === 1);
    expect((await gateway.post('/v1/completions', { prompt: 'Hi', model: 'two' })).status).toBe(429);
    gone.abort();
    await running.catch(() => undefined);
  });

  it('keeps the responses of each as its own, and goes on with a conversation by another', async () => {
    await start();
    const { client } = gateway;
    const one = await client.responses.create({ model: 'tester', input: 'Hi' });
    const other = await client.responses.create({
      model: 'two',
      input: 'More',
      previous_response_id: one.id,
    });
    expect([one.model, other.model]).toEqual(['test/model', 'test/second']);
    expect((await client.responses.retrieve(one.id)).model).toBe('test/model');
    expect(asked()).toEqual([1, 1]);
    expect(Buffer.from(gateway.backends[1]!.requests[0]!.prompt).toString()).toContain('of 0');
  });

  it('runs a response in the background by its own model', async () => {
    await start();
    const { client } = gateway;
    const { id } = await client.responses.create({ model: 'two', input: 'Hi', background: true });
    await eventually('it is done', async () => (await client.responses.retrieve(id)).status === 'completed');
    expect(await client.responses.retrieve(id)).toMatchObject({ model: 'test/second', output_text: 'of 1' });
    expect(asked()).toEqual([0, 1]);
  });
});

describe('a key for one of two models', () => {
  const headers = { authorization: 'Bearer sk-of-two-0123456789' };
  const list = JSON.stringify([{ name: 'two', key: 'sk-of-two-0123456789', models: ['two'] }]);
  const status = async (model: unknown): Promise<number> =>
    (await gateway.post('/v1/completions', { prompt: 'Hi', model }, headers)).status;

  it('opens that one by any of its names, and no other', async () => {
    await start({ keys: list });
    for (const model of ['two', 'test/second', 'two:latest']) expect(await status(model)).toBe(200);
    for (const model of ['tester', 'test/model', 'tester:latest', 'default', null, undefined])
      expect(await status(model)).toBe(403);
    expect(asked()).toEqual([0, 3]);
  });

  it('is told of that one alone', async () => {
    await start({ keys: list });
    const seen = async (path: string): Promise<string> =>
      (await fetch(gateway.url + path, { headers })).text();
    const unknown = await gateway.post('/v1/completions', { prompt: 'Hi', model: 'x' }, headers);
    for (const text of [await seen('/v1/models'), await seen('/api/tags'), await unknown.text()]) {
      expect(text).toContain('test/second');
      expect(text).not.toContain('test/model');
    }
    expect((await fetch(`${gateway.url}/v1/models/tester`, { headers })).status).toBe(403);
    const show = await gateway.post('/api/show', { model: 'tester' }, headers);
    expect(show.status).toBe(403);
  });

  it('ends a response of its own without naming a model', async () => {
    await start({ keys: list });
    gateway.backends[1]!.script = stuckAfter([72]);
    const begun = await gateway.post(
      '/v1/responses',
      { input: 'Hi', model: 'two', background: true },
      headers,
    );
    const { id } = (await begun.json()) as { id: string };
    const cancelled = await gateway.post(`/v1/responses/${id}/cancel`, {}, headers);
    expect(await cancelled.json()).toMatchObject({ id, status: 'cancelled' });
  });
});
