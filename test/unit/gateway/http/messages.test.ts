import Anthropic, { APIError } from '@anthropic-ai/sdk';
import { eventually } from '../../../support/eventually.js';
import { say } from '../byte-text.js';
import { pausing, stuckAfter, tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

let gateway: TestGateway;
let client: Anthropic;
beforeEach(async () => {
  gateway = await startTestGateway({ limits: { keepAliveMs: 20 } });
  client = new Anthropic({ baseURL: gateway.url, apiKey: 'none', maxRetries: 0 });
});
afterEach(() => gateway.close());

const asked = {
  model: 'tester',
  max_tokens: 50,
  messages: [{ role: 'user' as const, content: 'Hi' }],
};
const FORMAT = { type: 'json_schema', schema: { type: 'integer' } };
const promptText = (): string => Buffer.from(gateway.backend.requests.at(-1)!.prompt).toString();

describe('POST /v1/messages, by the official client', () => {
  it('answers as a message', async () => {
    gateway.backend.script = tokensOf(say('Hello'));
    gateway.backend.cachedTokens = 4;
    const message = await client.messages.create({ ...asked, system: 'Be kind.', ...{ top_k: 3 } });
    expect(message).toEqual({
      id: expect.stringMatching(/^msg_\w+$/) as string,
      type: 'message',
      role: 'assistant',
      model: 'test/model',
      content: [{ type: 'text', text: 'Hello', citations: null }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: {
        input_tokens: promptText().length - 4,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 4,
        output_tokens: 6,
      },
    });
    expect(promptText()).toBe('system: Be kind.\nuser: Hi\nassistant: ');
    expect(gateway.backend.requests[0]).toMatchObject({ maxTokens: 50, sampling: { topK: 3 } });
    expect(message._request_id).toMatch(/./);
  });

  it.each([
    ['end_turn', null, 50, say('one two')],
    ['stop_sequence', ' t', 50, say('one two')],
    ['max_tokens', null, 3, say('one two')],
  ])('tells that it ended by %s (%j)', async (reason, sequence, maxTokens, tokens) => {
    gateway.backend.script = tokensOf(tokens);
    const fields = {
      ...asked,
      max_tokens: maxTokens,
      ...(sequence && { stop_sequences: ['zzz', sequence] }),
    };
    const whole = await client.messages.create(fields);
    expect(whole).toMatchObject({ stop_reason: reason, stop_sequence: sequence });
    const streamed = await client.messages.stream(fields).finalMessage();
    expect({ ...streamed, id: whole.id }).toMatchObject(JSON.parse(JSON.stringify(whole)) as object);
  });

  it('streams events in the order of their meaning', async () => {
    gateway.backend.script = tokensOf(say('Hé'));
    const response = await gateway.post('/v1/messages', { ...asked, stream: true });
    const events = (await response.text()).split('\n\n').filter((text) => text.startsWith('event'));
    const read = events.map((text) => {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(text)!;
      return { name, data: JSON.parse(data!) as { type: string; delta?: object } };
    });
    expect(read.every(({ name, data }) => name === data.type)).toBe(true);
    expect(read.map(({ name }) => name)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect(read[3]!.data).toEqual({
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'text_delta', text: 'é' },
    });
    expect(read[5]!.data).toMatchObject({ delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 4 } });
  });

  it('goes on with a last turn of the assistant, and makes one of turns that follow each other', async () => {
    gateway.backend.script = tokensOf(say('!'));
    await client.messages.create({
      ...asked,
      messages: [
        { role: 'user', content: 'Say' },
        { role: 'user', content: [{ type: 'text', text: 'hello' }] },
        { role: 'assistant', content: 'Hel' },
      ],
    });
    expect(promptText()).toBe('user: Say\nhello\nassistant: Hel');
  });

  it('calls tools, and goes on with what they gave', async () => {
    const json = '{"name": "add", "arguments": {"a": 1}}';
    gateway.backend.script = tokensOf(say(`So <tool_call>\n${json}\n</tool_call>`));
    const tools = [{ name: 'add', description: 'Adds', input_schema: { type: 'object' as const } }];
    const toolTurn = { ...asked, max_tokens: 100, tools };
    const whole = await client.messages.create(toolTurn);
    const use = { type: 'tool_use', id: expect.any(String) as string, name: 'add', input: { a: 1 } };
    expect(whole).toMatchObject({ stop_reason: 'tool_use', content: [{ type: 'text' }, use] });
    const streamed = await client.messages.stream(toolTurn).finalMessage();
    expect(streamed).toMatchObject({ stop_reason: 'tool_use', content: [{ type: 'text' }, use] });
    const result = { type: 'tool_result' as const, tool_use_id: 'x', content: '2' };
    await client.messages.create({
      ...asked,
      tools,
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
      messages: [
        ...asked.messages,
        { role: 'assistant', content: whole.content },
        { role: 'user', content: [result] },
      ],
    });
    expect(promptText()).toMatch(/tool: 2\nassistant: $/);
  });

  it('counts the tokens of what it would be asked', async () => {
    const { input_tokens: counted } = await client.messages.countTokens({ ...asked, system: 'S' });
    gateway.backend.script = tokensOf(say(''));
    await client.messages.create({ ...asked, system: 'S' });
    expect(counted).toBe(gateway.backend.requests[0]!.prompt.length);
  });

  it('is read to its end through pauses longer than a keep-alive', async () => {
    gateway.backend.script = pausing(60, say('Hi'));
    const message = await client.messages.stream(asked).finalMessage();
    expect(message.content).toMatchObject([{ text: 'Hi' }]);
  });

  it('frees the sequence of a client that goes away', async () => {
    gateway.backend.script = stuckAfter([72]);
    const stream = client.messages.stream(asked);
    stream.on('error', () => undefined).on('abort', () => undefined);
    await new Promise((resolve) => stream.once('text', resolve));
    expect(gateway.backend.open).toBe(1);
    stream.abort();
    await eventually('the sequence is freed', () => gateway.backend.open === 0);
    expect(gateway.admission.running).toBe(0);
  });
});

describe('what /v1/messages refuses', () => {
  const errorOf = async (fields: object): Promise<APIError> => {
    const failed = client.messages.create({ ...asked, ...fields } as never);
    return (await failed.catch((error: unknown) => error)) as APIError;
  };
  const image = { type: 'image', source: { type: 'url', url: 'http://x' } };

  it.each([
    [{ model: 'other' }, 404, 'not_found_error', 'does not exist'],
    [{ max_tokens: undefined }, 400, 'invalid_request_error', 'max_tokens'],
    [{ max_tokens: 0 }, 400, 'invalid_request_error', 'max_tokens'],
    [{ messages: [] }, 400, 'invalid_request_error', 'messages'],
    [
      { messages: [{ role: 'user', content: [image] }] },
      400,
      'invalid_request_error',
      'messages[0].content[0]',
    ],
    [
      { messages: [{ role: 'user', content: [{ type: 'tool_use' }] }] },
      400,
      'invalid_request_error',
      'tool_use',
    ],
    [{ system: [image] }, 400, 'invalid_request_error', 'system[0]'],
    [{ stop_sequences: [''] }, 400, 'invalid_request_error', 'stop_sequences'],
    [{ temperature: 9 }, 400, 'invalid_request_error', 'temperature'],
    [
      { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
      400,
      'invalid_request_error',
      'tools[0]',
    ],
    [{ tools: [{ name: 'a b' }] }, 400, 'invalid_request_error', 'tools[0]'],
    [{ tool_choice: { type: 'tool', name: 'x' } }, 400, 'invalid_request_error', 'tool_choice'],
    [{ thinking: { type: 'enabled', budget_tokens: 1024 } }, 400, 'invalid_request_error', 'thinking'],
    [{ output_config: { format: { type: 'json_schema' } } }, 400, 'invalid_request_error', 'output_config'],
    [{ output_format: { type: 'xml' } }, 400, 'invalid_request_error', 'output_format'],
    [
      { output_config: { format: FORMAT }, output_format: FORMAT },
      400,
      'invalid_request_error',
      'output_config.format',
    ],
  ])('%j', async (fields, status, type, text) => {
    const error = await errorOf(fields);
    expect(error).toBeInstanceOf(APIError);
    expect(error.status).toBe(status);
    expect(error.error).toMatchObject({ type: 'error', error: { type } });
    expect(error.message).toContain(text);
    expect(error.requestID).toMatch(/./);
    expect(gateway.backend.requests).toHaveLength(0);
  });

  it('takes what asks for nothing', async () => {
    gateway.backend.script = tokensOf(say(''));
    const fields = { thinking: { type: 'disabled' }, metadata: { user_id: 'u' }, tools: [], unheard: 1 };
    await client.messages.create({ ...asked, ...fields } as never);
  });

  it('is told of in a stream that has begun', async () => {
    gateway.backend.script = async function* () {
      yield 72;
      await Promise.resolve();
      throw new Error('broken');
    };
    await expect(client.messages.stream(asked).finalMessage()).rejects.toThrow(/internal/);
  });
});
