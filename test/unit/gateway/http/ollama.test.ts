import { setTimeout as delay } from 'node:timers/promises';
import { Ollama } from 'ollama';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { ollamaFormat } from '../../../../services/lib/ollama/format.js';
import { usageOf, wholeCalls } from '../../../../services/lib/openai/response-format.js';
import { eventually } from '../../../support/eventually.js';
import { BOS, lineTemplate, say } from '../byte-text.js';
import { pausing, stuckAfter, tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

let gateway: TestGateway;
let client: Ollama;
beforeEach(async () => {
  gateway = await startTestGateway({ limits: { keepAliveMs: 20 } });
  client = new Ollama({ host: gateway.url });
});
afterEach(() => gateway.close());

const messages = [{ role: 'user', content: 'Hi' }];
const asked = { model: 'tester:latest', messages };
const promptOf = (): string => Buffer.from(gateway.backend.requests.at(-1)!.prompt).toString();
const counts = {
  total_duration: expect.any(Number) as number,
  load_duration: 0,
  prompt_eval_count: expect.any(Number) as number,
  prompt_eval_duration: expect.any(Number) as number,
  eval_count: 6,
  eval_duration: expect.any(Number) as number,
};

describe("Ollama's API, by the official client", () => {
  beforeEach(() => void (gateway.backend.script = tokensOf(say('Hello'))));

  it('chats', async () => {
    const options = { temperature: 0, num_predict: 20, repeat_penalty: 1.5, num_ctx: 4096, stop: ['zz'] };
    const answer = await client.chat({ ...asked, options });
    expect(answer).toEqual({
      model: 'tester:latest',
      created_at: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      message: { role: 'assistant', content: 'Hello' },
      done: true,
      done_reason: 'stop',
      ...counts,
    });
    expect(Number.isInteger(answer.total_duration) && answer.total_duration > 0).toBe(true);
    expect(promptOf()).toBe('user: Hi\nassistant: ');
    expect(gateway.backend.requests[0]).toMatchObject({
      maxTokens: 20,
      sampling: { temperature: 0, repetitionPenalty: 1.5 },
    });
  });

  it('streams a chat line by line', async () => {
    const parts = [];
    for await (const part of await client.chat({ ...asked, stream: true })) parts.push(part);
    expect(parts.map(({ message }) => message.content).join('')).toBe('Hello');
    expect(parts.map(({ done }) => done)).toEqual([...Array<boolean>(parts.length - 1).fill(false), true]);
    expect(parts.at(-1)).toMatchObject({ done_reason: 'stop', ...counts });
  });

  it('generates: with a system text, or from a raw one', async () => {
    const answer = await client.generate({ model: 'test/model', prompt: 'Hi', system: 'Be kind.' });
    expect(answer).toMatchObject({ response: 'Hello', done: true, ...counts });
    expect(promptOf()).toBe('system: Be kind.\nuser: Hi\nassistant: ');
    await client.generate({ model: 'test/model', prompt: 'Hi', raw: true, options: { num_predict: -1 } });
    expect(gateway.backend.requests[1]).toMatchObject({
      prompt: [BOS, ...Buffer.from('Hi')],
      maxTokens: 197,
    });
    const parts = [];
    for await (const part of await client.generate({ model: 'tester', prompt: 'Hi', stream: true })) {
      parts.push(part.response);
    }
    expect(parts.join('')).toBe('Hello');
  });

  it('has nothing to load', async () => {
    expect(await client.chat({ model: 'tester', messages: [] })).toMatchObject({ done_reason: 'load' });
    expect(await client.generate({ model: 'tester', prompt: '' })).toMatchObject({ done_reason: 'load' });
    expect(gateway.backend.requests).toHaveLength(0);
  });

  it('calls tools', async () => {
    gateway.backend.script = tokensOf(
      say('So\n<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'),
    );
    const parameters = { type: 'object', properties: { a: { type: 'integer' } } };
    const tools = [{ type: 'function', function: { name: 'add', description: 'Adds', parameters } }];
    const calls = [{ function: { name: 'add', arguments: { a: 1 } } }];
    const whole = await client.chat({ ...asked, tools });
    expect(whole).toMatchObject({ message: { tool_calls: calls }, done_reason: 'stop' });
    const streamed = [];
    for await (const { message } of await client.chat({ ...asked, tools, stream: true })) {
      streamed.push(...(message.tool_calls ?? []));
    }
    expect(streamed).toMatchObject(calls);
    await client.chat({
      ...asked,
      tools,
      messages: [...messages, whole.message, { role: 'tool', content: '2' }],
    });
  });

  it('hands on the ids of calls and of their results, where a client sends them', async () => {
    const call = { function: { name: 'add', arguments: { a: 1 } } };
    const seen: unknown[] = [];
    const watching = await startTestGateway({
      chatTemplate: {
        ...lineTemplate,
        render: (turns, options) => {
          seen.push(...turns);
          return lineTemplate.render(turns, options);
        },
      },
    });
    watching.backend.script = tokensOf(say('Hello'));
    const conversation = [
      ...messages,
      { role: 'assistant', content: '', tool_calls: [{ id: 'call_1', ...call }, call] },
      { role: 'tool', content: '2', tool_call_id: 'call_1' },
    ];
    await (await watching.post('/api/chat', { model: 'tester', messages: conversation })).text();
    await watching.close();
    const called = { type: 'function', ...call };
    expect(seen.slice(1, 3)).toEqual([
      { role: 'assistant', content: '', tool_calls: [{ id: 'call_1', ...called }, called] },
      { role: 'tool', content: '2', tool_call_id: 'call_1' },
    ]);
  });

  it('says that the length ended it', async () => {
    const answer = await client.chat({ ...asked, options: { num_predict: 2 } });
    expect(answer).toMatchObject({ message: { content: 'He' }, done_reason: 'length', eval_count: 2 });
  });

  it('goes on with a last turn of the assistant', async () => {
    await client.chat({ ...asked, messages: [...messages, { role: 'assistant', content: 'He' }] });
    expect(promptOf()).toBe('user: Hi\nassistant: He');
  });

  it('tells of the model, and of itself', async () => {
    const { models } = await client.list();
    expect(models.map(({ name }) => name)).toEqual(['test/model', 'tester']);
    expect(models[0]).toMatchObject({ digest: 'd'.repeat(64), details: { parameter_size: '1.5M' } });
    const shown = await client.show({ model: 'tester' });
    expect(shown).toMatchObject({
      details: { family: 'llama', quantization_level: 'F32' },
      model_info: { 'llama.context_length': 200, 'llama.block_count': 2 },
      capabilities: ['completion', 'tools'],
    });
    expect(shown.parameters).toContain('temperature 1');
    expect((await client.version()).version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('is read to its end through pauses longer than a keep-alive', async () => {
    gateway.backend.script = pausing(60, say('Hi'));
    let text = '';
    for await (const part of await client.chat({ ...asked, stream: true })) text += part.message.content;
    expect(text).toBe('Hi');
  });

  it('frees the sequence of a client that goes away', async () => {
    gateway.backend.script = stuckAfter([72]);
    const stream = await client.chat({ ...asked, stream: true });
    const read = (async () => {
      for await (const part of stream) expect(part.message.content).toBe('H');
    })();
    await eventually('it runs', () => gateway.backend.open === 1);
    client.abort();
    await expect(read).rejects.toThrow(/abort/i);
    await eventually('the sequence is freed', () => gateway.backend.open === 0);
  });
});

describe('a stream whose route takes longer than a keep-alive', () => {
  let open: () => void;
  beforeEach(() => {
    const { backend } = gateway;
    backend.script = tokensOf(say('Hello'));
    const opened = new Promise<void>((resolve) => (open = resolve));
    const generate = backend.generate.bind(backend);
    backend.generate = async (request, signal) => {
      await opened;
      return generate(request, signal);
    };
  });

  it('begins before it, with signs of life that are part of no line', async () => {
    const response = await gateway.post('/api/chat', asked);
    expect([response.status, response.headers.get('x-layermesh-route')]).toEqual([200, null]);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value ?? '';
    expect(text).toMatch(/^ +$/);
    open();
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    const lines = text.trimEnd().split('\n');
    const parts = lines.map((line) => JSON.parse(line) as { message: { content: string }; done: boolean });
    expect(parts.map(({ message }) => message.content).join('')).toBe('Hello');
    expect(parts.map(({ done }) => done).indexOf(true)).toBe(parts.length - 1);
  });

  it('tells in a line why there is none, and leaves nothing behind', async () => {
    const response = await gateway.post('/api/chat', asked);
    expect(response.status).toBe(200);
    gateway.backend.refusal = new ServingError('stage_unavailable', 'stage-1 has no replica');
    open();
    expect(JSON.parse(await response.text())).toEqual({
      error: expect.stringMatching(/^stage-1 has no replica .*\[stage_unavailable\]$/) as string,
    });
    expect(gateway.admission.running).toBe(0);
  });

  it.each([
    ['/api/chat', { stream: false }],
    ['/v1/chat/completions', { stream: false }],
    ['/v1/messages', { stream: false, max_tokens: 5 }],
  ])('is the only answer that begins before it: %s with %j keeps its status', async (path, fields) => {
    const asking = gateway.post(path, { ...asked, ...fields });
    await eventually('it waits for its route', () => gateway.admission.running === 1);
    await delay(60);
    gateway.backend.refusal = new ServingError('stage_unavailable', 'stage-1 has no replica');
    open();
    const response = await asking;
    expect([response.status, response.headers.get('x-should-retry')]).toEqual([503, 'true']);
  });
});

describe('what /api refuses', () => {
  const chat = (body: object) => gateway.post('/api/chat', { ...asked, ...body });

  it.each([
    [{ model: 'other' }, 404, /the model "other" does not exist .*\[model_not_found\]$/],
    [{ model: 'other:latest' }, 404, /"other:latest" does not exist/],
    [{ format: 'xml' }, 400, /^format: expected a JSON schema, or the text of one .*\[invalid_value\]$/],
    [{ format: { not: {} } }, 400, /not.*\[unsupported_schema\]$/],
    [{ think: true }, 400, /^think /],
    [{ options: { temperature: 9 } }, 400, /^options\.temperature: .*\[invalid_value\]$/],
    [{ options: { num_predict: 1.5 } }, 400, /^options\.num_predict: /],
    [{ messages: [{ role: 'user', content: 'Hi', images: ['aaaa'] }] }, 400, /^messages\[0\]\.images /],
    [{ messages: [{ role: 'robot' }] }, 400, /^messages\[0\]\.role: /],
  ])('%j', async (body, status, text) => {
    const response = await chat(body);
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ error: expect.stringMatching(text) as string });
    expect(gateway.backend.requests).toHaveLength(0);
  });

  it('comes to the client as an error, in a stream that has begun too', async () => {
    await expect(client.chat({ model: 'other', messages })).rejects.toThrow(/does not exist/);
    gateway.backend.script = async function* () {
      yield 72;
      await Promise.resolve();
      throw new Error('broken');
    };
    const read = async () => {
      for await (const part of await client.chat({ ...asked, stream: true })) expect(part.done).toBe(false);
    };
    await expect(read()).rejects.toThrow(/internal error/);
  });

  it('reads a body whatever its type, but not what a page of another origin posts without asking', async () => {
    gateway.backend.script = tokensOf(say('Hello'));
    const post = (headers: Record<string, string>) =>
      gateway.post('/api/chat', { ...asked, stream: false }, { 'content-type': 'text/plain', ...headers });
    expect((await post({})).status).toBe(200);
    expect((await post({ origin: 'https://evil.example' })).status).toBe(400);
    const other = await gateway.post('/v1/messages', asked, { 'content-type': 'text/plain' });
    expect(other.status).toBe(400);
  });
});

describe('an answer that calls tools', () => {
  const summary = { usage: usageOf(1, 0, 1), timings: undefined };
  const pieces = [
    { index: 0, id: 'c', name: 'add', arguments: '{"a"' },
    { index: 0, arguments: ':1}' },
    { index: 1, id: 'd', name: 'sub', arguments: '{"cut' },
  ];
  const calls = [{ id: 'c', function: { name: 'add', arguments: { a: 1 } } }];

  it('has them whole, but for one that was cut off', () => {
    const choice = {
      index: 0,
      text: 'So',
      toolCalls: wholeCalls(pieces),
      finishReason: 'tool_calls' as const,
    };
    expect(ollamaFormat('chat', 'm').response([choice], summary)).toMatchObject({
      message: { role: 'assistant', content: 'So', tool_calls: calls },
      done_reason: 'stop',
    });
    const format = ollamaFormat('chat', 'm');
    const lines = [
      ...pieces.flatMap((piece) => format.delta({ index: 0, text: '', toolCalls: [piece] })),
      ...format.finish(0, 'tool_calls'),
      ...format.summary(summary),
    ].map(({ data }) => data);
    expect(lines).toMatchObject([
      { message: { content: '', tool_calls: calls }, done: false },
      { done: true },
    ]);
  });
});
