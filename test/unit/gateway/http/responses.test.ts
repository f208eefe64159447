import { setTimeout as delay } from 'node:timers/promises';
import type OpenAI from 'openai';
import { NotFoundError } from 'openai';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { eventually } from '../../../support/eventually.js';
import { lineTemplate, say } from '../byte-text.js';
import { MemoryDocuments } from '../memory-documents.js';
import { pausing, stuckAfter, tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

let documents: MemoryDocuments;
let gateway: TestGateway;
let client: OpenAI;
beforeEach(async () => {
  documents = new MemoryDocuments();
  gateway = await startTestGateway({ documents, limits: { keepAliveMs: 20 } });
  client = gateway.client;
  gateway.backend.script = tokensOf(say('Hello'));
});
afterEach(() => gateway.close());

const model = 'tester';
/** Without what tells of the processes that run them. */
const responsesKept = (): unknown[] =>
  [...documents.kept].flatMap(([key, { value }]) => (key.startsWith('response-') ? [value] : []));
const promptText = (): string => Buffer.from(gateway.backend.requests.at(-1)!.prompt).toString();

describe('POST /v1/responses, by the official client', () => {
  it('answers as a response', async () => {
    const response = await client.responses.create({
      model,
      input: 'Hi',
      instructions: 'Be kind.',
      max_output_tokens: 50,
      metadata: { a: 'b' },
    });
    expect(response).toMatchObject({
      id: expect.stringMatching(/^resp_[0-9a-f]{32}$/) as string,
      object: 'response',
      status: 'completed',
      error: null,
      incomplete_details: null,
      instructions: 'Be kind.',
      max_output_tokens: 50,
      metadata: { a: 'b' },
      model: 'test/model',
      output: [
        {
          id: expect.stringMatching(/^msg_/) as string,
          type: 'message',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'Hello', annotations: [] }],
        },
      ],
      output_text: 'Hello',
      store: true,
      usage: { input_tokens: promptText().length, output_tokens: 6, total_tokens: promptText().length + 6 },
    });
    expect(promptText()).toBe('system: Be kind.\nuser: Hi\nassistant: ');
  });

  it('reads a conversation of items', async () => {
    await client.responses.create({
      model,
      store: false,
      input: [
        { role: 'developer', content: 'D' },
        { role: 'user', content: [{ type: 'input_text', text: 'U' }] },
        { type: 'reasoning', id: 'rs_1', summary: [] },
        {
          id: 'msg_1',
          type: 'message',
          status: 'completed',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'A', annotations: [] }],
        },
        { type: 'function_call', call_id: 'c', name: 'add', arguments: '{"a":1}' },
        { type: 'function_call_output', call_id: 'c', output: '2' },
      ],
    });
    expect(promptText()).toBe('system: D\nuser: U\nassistant: A\ntool: 2\nassistant: ');
    expect(responsesKept()).toEqual([]);
  });

  it('takes back a call that was cut off, which nothing was called with', async () => {
    const told = { type: 'function_call', call_id: 'c', name: 'add', arguments: '{"a":' } as const;
    const input = (call: OpenAI.Responses.ResponseFunctionToolCall) => [
      { role: 'user' as const, content: 'Hi' },
      call,
      { type: 'function_call_output' as const, call_id: 'c', output: 'none' },
    ];
    await client.responses.create({ model, store: false, input: input({ ...told, status: 'incomplete' }) });
    expect(promptText()).toBe('user: Hi\nassistant: \ntool: none\nassistant: ');
    const whole = client.responses.create({ model, input: input({ ...told, status: 'completed' }) });
    await expect(whole).rejects.toMatchObject({ status: 400, param: 'input[1].arguments' });
  });

  it('streams numbered events in the order of their meaning', async () => {
    gateway.backend.script = tokensOf(say('Hé'));
    const events = [];
    for await (const event of await client.responses.create({ model, input: 'Hi', stream: true })) {
      events.push(event);
    }
    expect(events.map(({ sequence_number: number }) => number)).toEqual(events.map((_, index) => index));
    expect(events.map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(events[5]).toMatchObject({ delta: 'é', output_index: 0, content_index: 0, logprobs: [] });
    const whole = await client.responses.stream({ model, input: 'Hi' }).finalResponse();
    expect(whole.output_text).toBe('Hé');
    expect(await client.responses.retrieve(whole.id)).toMatchObject({
      output_text: 'Hé',
      usage: whole.usage,
    });
  });

  it('calls tools, and goes on with what they gave', async () => {
    const json = '{"name": "add", "arguments": {"a": 1}}';
    gateway.backend.script = tokensOf(say(`<tool_call>\n${json}\n</tool_call>`));
    const parameters = { type: 'object', properties: { a: { type: 'integer' } } };
    const tools = [{ type: 'function' as const, name: 'add', parameters, strict: false }];
    const whole = await client.responses.create({ model, input: 'Hi', tools });
    const call = { type: 'function_call', name: 'add', status: 'completed' };
    expect(whole).toMatchObject({ output: [call], tools, tool_choice: 'auto' });
    const streamed = await client.responses.stream({ model, input: 'Hi', tools }).finalResponse();
    const [first] = streamed.output as { call_id: string; arguments: string }[];
    expect([streamed.output.length, JSON.parse(first!.arguments)]).toEqual([1, { a: 1 }]);
    const output = { type: 'function_call_output' as const, call_id: first!.call_id, output: '2' };
    await client.responses.create({ model, previous_response_id: streamed.id, input: [output], tools });
    expect(promptText()).toMatch(/^user: Hi\nassistant: .*tool: 2\nassistant: $/s);
  });

  it('says what an answer that was cut off lacks', async () => {
    const fields = { model, input: 'Hi', max_output_tokens: 2 };
    const cut = await client.responses.create(fields);
    expect(cut).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output_text: 'He',
      output: [{ status: 'incomplete' }],
    });
    const types = [];
    for await (const { type } of await client.responses.create({ ...fields, stream: true })) types.push(type);
    expect(types.at(-1)).toBe('response.incomplete');
  });

  it('has an empty message where nothing was said', async () => {
    gateway.backend.script = tokensOf(say(''));
    const response = await client.responses.create({ model, input: 'Hi' });
    expect(response).toMatchObject({ output: [{ content: [{ text: '' }] }], output_text: '' });
  });

  it('is read to its end through pauses longer than a keep-alive', async () => {
    gateway.backend.script = pausing(60, say('Hi'));
    expect((await client.responses.stream({ model, input: 'x' }).finalResponse()).output_text).toBe('Hi');
  });

  it('frees the sequence of a client that goes away, and keeps nothing', async () => {
    gateway.backend.script = stuckAfter([72]);
    const stream = await client.responses.create({ model, input: 'Hi', stream: true });
    await eventually('it runs', () => gateway.backend.open === 1);
    stream.controller.abort();
    await eventually('the sequence is freed', () => gateway.backend.open === 0);
    expect(gateway.admission.running).toBe(0);
    expect(responsesKept()).toEqual([]);
  });

  it('tells of an error in a stream by an event with the next number', async () => {
    gateway.backend.script = async function* () {
      yield 72;
      await Promise.resolve();
      throw new Error('secret');
    };
    const events = [];
    for await (const event of await client.responses.create({ model, input: 'Hi', stream: true })) {
      events.push(event);
    }
    expect(events.at(-1)).toEqual({
      type: 'error',
      code: 'internal',
      message: expect.stringMatching(/^internal error/) as string,
      param: null,
      sequence_number: events.length - 1,
    });
  });
});

describe('responses that are kept', () => {
  it('are gone on with, by another gateway too, without their instructions', async () => {
    const first = await client.responses.create({ model, input: 'Hi', instructions: 'Be kind.' });
    const other = await startTestGateway({ documents });
    other.backend.script = tokensOf(say('Again'));
    const second = await other.client.responses.create({
      model,
      previous_response_id: first.id,
      input: 'And?',
    });
    const prompt = Buffer.from(other.backend.requests[0]!.prompt).toString();
    expect(prompt).toBe('user: Hi\nassistant: Hello\nuser: And?\nassistant: ');
    await client.responses.delete(first.id);
    await client.responses.create({ model, previous_response_id: second.id, input: 'Go on' });
    expect(promptText()).toBe(prompt + 'Again\nuser: Go on\nassistant: ');
    await other.close();
  });

  it('are listed by their input, page by page', async () => {
    const input = ['a', 'b', 'c'].map((content) => ({ role: 'user' as const, content }));
    const { id } = await client.responses.create({ model, input });
    const texts: unknown[] = [];
    for await (const item of client.responses.inputItems.list(id, { limit: 2, order: 'asc' })) {
      texts.push((item as { content: { text: string }[] }).content[0]!.text);
    }
    expect(texts).toEqual(['a', 'b', 'c']);
    const newest = await client.responses.inputItems.list(id, { limit: 1 });
    expect(newest).toMatchObject({ has_more: true, data: [{ content: [{ text: 'c' }] }] });
    const wrong = await fetch(`${gateway.url}/v1/responses/${id}/input_items?limit=0`);
    expect([wrong.status, await wrong.json()]).toMatchObject([400, { error: { param: 'limit' } }]);
  });

  it.each(['resp_unknown', `resp_${'0'.repeat(32)}`, '..%2f..%2fx', 'registry'])(
    'are not found where there is none (%s)',
    async (id) => {
      const read: string[] = [];
      const real = documents.read.bind(documents);
      documents.read = (key) => (read.push(key), real(key));
      const found = await fetch(`${gateway.url}/v1/responses/${id}`);
      expect([found.status, await found.json()]).toMatchObject([
        404,
        { error: { code: 'response_not_found' } },
      ]);
      expect(read.every((key) => /^response-resp_[0-9a-f]{32}$/.test(key))).toBe(true);
    },
  );

  it('are not streamed anew', async () => {
    const { id } = await client.responses.create({ model, input: 'Hi' });
    const asked = client.responses.retrieve(id, { stream: true });
    await expect(asked).rejects.toMatchObject({ status: 400, param: 'stream' });
  });

  it('are not found when they have been deleted', async () => {
    const { id } = await client.responses.create({ model, input: 'Hi' });
    await client.responses.delete(id);
    await expect(client.responses.retrieve(id)).rejects.toThrow(NotFoundError);
    await expect(client.responses.delete(id)).rejects.toThrow(NotFoundError);
    const next = client.responses.create({ model, input: 'Hi', previous_response_id: id });
    await expect(next).rejects.toMatchObject({ status: 404, param: 'previous_response_id' });
  });

  it('cost nothing where they cannot be kept', async () => {
    documents.isDown = true;
    await expect(client.responses.create({ model, input: 'Hi' })).rejects.toMatchObject({
      status: 503,
      code: 'sidecar_missing',
    });
    expect(gateway.backend.requests).toHaveLength(0);
    expect((await client.responses.create({ model, input: 'Hi', store: false })).output_text).toBe('Hello');
  });
});

describe('responses in the background', () => {
  const begin = () => client.responses.create({ model, input: 'Hi', background: true });
  const statusOf = async (id: string) => (await client.responses.retrieve(id)).status;

  it('are asked for until they are done', async () => {
    const queued = await begin();
    expect(queued).toMatchObject({ status: 'queued', background: true, output: [] });
    await eventually('it is done', async () => (await statusOf(queued.id)) === 'completed');
    expect(await client.responses.retrieve(queued.id)).toMatchObject({ output_text: 'Hello' });
    expect(gateway.admission.running).toBe(0);
  });

  it.each([true, false])('end when they are cancelled (by their own gateway: %s)', async (own) => {
    gateway.backend.script = stuckAfter([72]);
    const { id } = await begin();
    await eventually('it runs', async () => (await statusOf(id)) === 'in_progress');
    const other = await startTestGateway({ documents });
    const asked = own ? client : other.client;
    expect(await asked.responses.cancel(id)).toMatchObject({ id, status: 'cancelled' });
    await eventually('the sequence is freed', () => gateway.backend.open === 0);
    expect(await asked.responses.cancel(id)).toMatchObject({ status: 'cancelled' });
    expect(await statusOf(id)).toBe('cancelled');
    await other.close();
  });

  it('end when they are deleted', async () => {
    gateway.backend.script = stuckAfter([72]);
    const { id } = await begin();
    await eventually('it runs', () => gateway.backend.open === 1);
    await client.responses.delete(id);
    await eventually('the sequence is freed', () => gateway.backend.open === 0);
    expect(responsesKept()).toEqual([]);
  });

  it('are gone on with when they are over, and not before', async () => {
    gateway.backend.script = stuckAfter([72]);
    const { id } = await begin();
    const goOn = () => client.responses.create({ model, input: 'And?', previous_response_id: id });
    await expect(goOn()).rejects.toMatchObject({
      status: 400,
      code: 'invalid_value',
      param: 'previous_response_id',
    });
    await client.responses.cancel(id);
    gateway.backend.script = tokensOf(say('Hello'));
    expect((await goOn()).output_text).toBe('Hello');
    expect(promptText()).toBe('user: Hi\nuser: And?\nassistant: ');
  });

  it('are kept once the store that was away when they ended can be reached again', async () => {
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    gateway.backend.script = async function* () {
      await ended;
      yield* say('Hello');
    };
    const { id } = await begin();
    await eventually('it runs', async () => (await statusOf(id)) === 'in_progress');
    documents.isDown = true;
    end();
    await eventually('it is over', () => gateway.admission.running === 0);
    documents.isDown = false;
    await eventually('it is kept', async () => (await statusOf(id)) === 'completed');
  });

  it('tell why they failed', async () => {
    gateway.backend.script = async function* () {
      yield 72;
      await delay(20);
    };
    const { id } = await begin();
    await eventually('it has failed', async () => (await statusOf(id)) === 'failed');
    expect(await client.responses.retrieve(id)).toMatchObject({ error: { code: 'stream_broken' } });
  });

  it('are told among the requests as what they were, not as done', async () => {
    const told = async () => {
      const { requests } = (await (await fetch(`${gateway.url}/requests`)).json()) as {
        requests: { state: string; error: string | null }[];
      };
      return requests;
    };
    gateway.backend.script = async function* () {
      yield 72;
      await delay(20);
    };
    const failed = await begin();
    await eventually('it has failed', async () => (await statusOf(failed.id)) === 'failed');
    gateway.backend.script = stuckAfter([72]);
    const cancelled = await begin();
    await eventually('it runs', async () => (await statusOf(cancelled.id)) === 'in_progress');
    await client.responses.cancel(cancelled.id);
    await eventually('both are over', async () => (await told()).every(({ state }) => state !== 'running'));
    expect(await told()).toMatchObject([
      { state: 'abandoned', error: null },
      { state: 'failed', error: 'stream_broken' },
    ]);
  });

  it('are told at once that there is no place for them', async () => {
    const full = await startTestGateway({ documents, admission: { maxRunning: 1, maxWaiting: 0 } });
    full.backend.script = stuckAfter([72]);
    const ask = () => full.client.responses.create({ model, input: 'Hi', background: true });
    await ask();
    await expect(ask()).rejects.toMatchObject({ status: 429 });
    expect(responsesKept()).toHaveLength(1);
    await full.close();
    expect(responsesKept()).toMatchObject([{ response: { status: 'failed' } }]);
  });

  describe('of a gateway that is gone', () => {
    let dying: TestGateway;
    /** All that it can still reach of what the gateways share. */
    let view: MemoryDocuments;
    let id: string;
    beforeEach(async () => {
      view = new MemoryDocuments(documents.kept);
      dying = await startTestGateway({ documents: view, expireMs: 1_000 });
      dying.backend.script = stuckAfter([72]);
      ({ id } = await dying.client.responses.create({ model, input: 'Hi', background: true }));
      await gateway.close();
      gateway = await startTestGateway({ documents, expireMs: 1_000 });
      client = gateway.client;
      await eventually('it runs', async () => (await statusOf(id)) === 'in_progress');
    });
    afterEach(() => dying.close());

    const gone = {
      status: 'failed',
      error: { code: 'stream_broken', message: 'the gateway that ran it is gone' },
    };

    it('have failed for whoever reads them, in whatever way', async () => {
      view.isDown = true;
      await eventually('it has failed', async () => (await statusOf(id)) === 'failed');
      expect(await client.responses.retrieve(id)).toMatchObject(gone);
      expect(await client.responses.cancel(id)).toMatchObject(gone);
      expect(responsesKept()).toMatchObject([{ response: gone }]);
      await client.responses.delete(id);
      expect(responsesKept()).toEqual([]);
    });

    it('go on where it lives, however long they take', async () => {
      await delay(1_500);
      expect(await statusOf(id)).toBe('in_progress');
    });

    it('end there too, when it comes back after it was held for dead', async () => {
      view.isDown = true;
      await eventually('it has failed', async () => (await statusOf(id)) === 'failed');
      expect(dying.backend.open).toBe(1);
      view.isDown = false;
      await eventually('the sequence is freed', () => dying.backend.open === 0);
      expect(await client.responses.retrieve(id)).toMatchObject(gone);
    });

    it('are left as they are where an older gateway did not say who runs them', async () => {
      const key = `response-${id}`;
      const { value, etag } = documents.kept.get(key)!;
      documents.kept.set(key, { value: { ...(value as object), runner: undefined }, etag });
      view.isDown = true;
      await delay(1_500);
      expect(await statusOf(id)).toBe('in_progress');
    });
  });

  it('are all that can be cancelled', async () => {
    const { id } = await client.responses.create({ model, input: 'Hi' });
    await expect(client.responses.cancel(id)).rejects.toMatchObject({ status: 400 });
  });
});

describe('what /v1/responses refuses', () => {
  it.each([
    [{ input: [{ role: 'user', content: [{ type: 'input_image' }] }] }, 'input[0].content[0]'],
    [{ input: [{ type: 'item_reference', id: 'x' }] }, 'input[0]'],
    [{ input: [{ role: 'robot', content: 'x' }] }, 'input[0].role'],
    [{ input: [{ type: 'function_call', call_id: 'c', name: 'n', arguments: '{' }] }, 'input[0].arguments'],
    [{ input: [] }, 'input'],
    [{ background: true, store: false }, 'background'],
    [{ background: true, stream: true }, 'background'],
    [{ text: { format: { type: 'xml' } } }, 'text.format.type'],
    [{ text: { format: { type: 'json_schema' } } }, 'text.format.schema'],
    [{ text: { format: { type: 'json_schema', name: 'a', schema: { not: {} } } } }, 'text.format.schema'],
    [{ tools: [{ type: 'web_search' }] }, 'tools[0]'],
    [{ tool_choice: { type: 'function', name: 'x' } }, 'tool_choice.function.name'],
    [{ truncation: 'auto' }, 'truncation'],
    [{ conversation: 'conv_1' }, 'conversation'],
    [{ max_output_tokens: 0 }, 'max_output_tokens'],
    [{ temperature: 9 }, 'temperature'],
    [{ model: 'other' }, 'model'],
  ])('%j', async (fields, param) => {
    const response = await gateway.post('/v1/responses', { input: 'Hi', ...fields });
    expect(response.status).toBe(param === 'model' ? 404 : 400);
    expect(await response.json()).toMatchObject({ error: { param } });
    expect(gateway.backend.requests).toHaveLength(0);
    expect(responsesKept()).toEqual([]);
  });

  it('names the input where its messages cannot be answered', async () => {
    const refusal = async (asked: TestGateway, input: string): Promise<object> => {
      const response = await asked.post('/v1/responses', { input });
      return ((await response.json()) as { error: object }).error;
    };
    expect(await refusal(gateway, 'x'.repeat(300))).toMatchObject({
      code: 'context_length_exceeded',
      param: 'input',
      message: expect.stringContaining('your input resulted in 318 tokens') as string,
    });
    const render = () => {
      throw new ServingError('chat_template_failed', 'no such roles', { param: 'messages' });
    };
    const strict = await startTestGateway({ chatTemplate: { ...lineTemplate, render } });
    expect(await refusal(strict, 'Hi')).toMatchObject({ code: 'chat_template_failed', param: 'input' });
    await strict.close();
  });
});
