import type OpenAI from 'openai';
import type { ChatCompletionChunk, ChatCompletionTool } from 'openai/resources/chat';
import { toolStyleOf } from '../../../../services/lib/model/text/tool-style.js';
import { BOS, byteTokenizer, EOS, lineTemplate, say } from '../byte-text.js';
import { stuckAfter, tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

const parameters = { type: 'object', properties: { city: { type: 'string' } } };
const tools: ChatCompletionTool[] = ['weather', 'now'].map((name) => ({
  type: 'function',
  function: { name, parameters },
}));
const request = { model: 'default', messages: [{ role: 'user', content: 'Hi' }], tools } as const;
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bérn"}}\n</tool_call>';
const NOW = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>';

type Create = OpenAI.ChatCompletionCreateParamsNonStreaming;

describe('tools', () => {
  let gateway: TestGateway;
  beforeEach(async () => {
    gateway = await startTestGateway({ contextLength: 2_000 });
    gateway.backend.script = tokensOf(say(`Let me see.\n${CALL}\n${NOW}`));
  });
  afterEach(() => gateway.close());

  const create = (more: Partial<Create> = {}) =>
    gateway.client.chat.completions.create({ ...request, ...more } as Create);

  test('are told of in the prompt, and called in the answer', async () => {
    const { choices } = await create();
    expect(choices[0]).toMatchObject({
      message: {
        role: 'assistant',
        content: 'Let me see.\n',
        tool_calls: [
          { type: 'function', function: { name: 'weather', arguments: '{"city": "Bérn"}' } },
          { type: 'function', function: { name: 'now', arguments: '{}' } },
        ],
      },
      finish_reason: 'tool_calls',
    });
    const ids = choices[0]!.message.tool_calls!.map(({ id }) => id);
    expect(new Set(ids).size).toBe(2);
    expect(ids.every((id) => /^call_[0-9a-f]{24}$/.test(id))).toBe(true);
    expect(await gateway.metric('layermesh_request_success_total{finished_reason="tool_calls"}')).toBe(1);
  });

  test('are called in a stream piece by piece', async () => {
    const chunks: ChatCompletionChunk[] = [];
    const stream = await gateway.client.chat.completions.create({
      ...request,
      stream: true,
      messages: [...request.messages],
    });
    for await (const chunk of stream) chunks.push(chunk);
    const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
    expect(deltas.map(({ content }) => content ?? '').join('')).toBe('Let me see.\n');
    const pieces = deltas.flatMap(({ tool_calls: calls = [] }) => calls);
    const [first, ...others] = pieces.filter(({ index }) => index === 0);
    expect(first).toMatchObject({ type: 'function', function: { name: 'weather', arguments: '{' } });
    expect(others.some((piece) => 'id' in piece || 'type' in piece || 'name' in piece.function!)).toBe(false);
    expect([first!, ...others].map((piece) => piece.function!.arguments).join('')).toBe('{"city": "Bérn"}');
    expect(pieces.filter(({ index }) => index === 1)[0]!.function!.name).toBe('now');
    expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe('tool_calls');
  });

  test("are read by the client's own stream helper", async () => {
    const helper = gateway.client.chat.completions.stream({ ...request, messages: [...request.messages] });
    const { choices } = await helper.finalChatCompletion();
    const called = choices[0]!.message.tool_calls!.map((call) => call.function.name);
    expect(called).toEqual(['weather', 'now']);
  });

  test('end the answer with the first call where there may be one, and free the sequence', async () => {
    gateway.backend.script = stuckAfter([...Buffer.from(`${CALL}${NOW}`)]);
    const { choices, usage } = await create({ parallel_tool_calls: false });
    expect(choices[0]!.message).toMatchObject({
      content: null,
      tool_calls: [{ function: { name: 'weather' } }],
    });
    expect(choices[0]!.finish_reason).toBe('tool_calls');
    expect(usage!.completion_tokens).toBe(Buffer.byteLength(CALL) - '\n</tool_call>'.length);
    expect(gateway.backend.open).toBe(0);
  });

  test('are not called where none is to be, nor where there are none', async () => {
    for (const more of [{ tool_choice: 'none' }, { tools: [] }, { tools: undefined }] as Partial<Create>[]) {
      const { choices } = await create(more);
      expect(choices[0]).toMatchObject({
        message: { content: `Let me see.\n${CALL}\n${NOW}` },
        finish_reason: 'stop',
      });
      expect('tool_calls' in choices[0]!.message).toBe(false);
    }
  });

  test('are cut where the answer is', async () => {
    gateway.backend.script = tokensOf(say(CALL));
    const { choices } = await create({ max_completion_tokens: Buffer.byteLength(CALL) - 20 });
    expect(choices[0]).toMatchObject({
      message: {
        tool_calls: [{ function: { name: 'weather', arguments: expect.stringMatching(/^\{"ci/) as string } }],
      },
      finish_reason: 'length',
    });
  });

  test('stop at stop strings before they are read', async () => {
    const { choices } = await create({ stop: 'Bér' });
    expect(choices[0]).toMatchObject({
      message: { tool_calls: [{ function: { arguments: '{"city": "' } }] },
      finish_reason: 'tool_calls',
    });
  });

  test('come with the tokens that brought them', async () => {
    const response = await gateway.post('/v1/chat/completions', {
      ...request,
      return_token_ids: true,
      stream: true,
    });
    const events = (await response.text()).split('\n\n').filter((line) => line.startsWith('data: {'));
    const ids = events.flatMap((line) => {
      const { choices } = JSON.parse(line.slice(6)) as { choices: { token_ids?: number[] }[] };
      return choices[0]?.token_ids ?? [];
    });
    expect(ids).toEqual(say(`Let me see.\n${CALL}\n${NOW}`));
  });

  test('are called by control tokens, too', async () => {
    const style = toolStyleOf('{{ tools }}[TOOL_CALLS]');
    const tokenizer = {
      ...byteTokenizer,
      idOf: (token: string) => (token === '[TOOL_CALLS]' ? BOS : byteTokenizer.idOf(token)),
    };
    const bytesOf = (id: number) => (id === BOS ? Buffer.from('[TOOL_CALLS]') : byteTokenizer.bytesOf(id));
    const other = await startTestGateway({
      contextLength: 2_000,
      tokenizer: { ...tokenizer, bytesOf },
      chatTemplate: { ...lineTemplate, toolStyle: style },
    });
    other.backend.script = tokensOf([BOS, ...Buffer.from('[{"name": "now", "arguments": {}}]'), EOS]);
    const { choices } = await other.client.chat.completions.create({
      ...request,
      messages: [...request.messages],
    });
    expect(choices[0]!.message.tool_calls).toMatchObject([{ function: { name: 'now', arguments: '{}' } }]);
    expect(choices[0]!.message.tool_calls![0]!.id).toMatch(/^[0-9a-f]{9}$/);
    await other.close();
  });
});
