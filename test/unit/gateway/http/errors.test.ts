import type OpenAI from 'openai';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { say } from '../byte-text.js';
import { stuckAfter, tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

const CHAT = '/v1/chat/completions';
const messages = [{ role: 'user', content: 'Hello' }];
const NOW = { type: 'function', function: { name: 'now' } };

describe('refusals', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway();
    gateway.backend.script = tokensOf(say('ok'));
  });
  afterAll(() => gateway.close());
  afterEach(() => {
    gateway.backend.refusal = null;
  });

  async function refusal(path: string, body: unknown, headers?: Record<string, string>): Promise<unknown> {
    const response = await gateway.post(path, body, headers);
    const { error } = (await response.json()) as { error: { code: string; param: string; message: string } };
    expect(error.message).not.toMatch(/[\n\r]/);
    return [response.status, error.code, error.param];
  }

  test.each([
    ['malformed JSON', '{"messages": [', [400, 'invalid_json', null]],
    ['NaN', '{"messages": [], "temperature": NaN}', [400, 'invalid_json', null]],
    ['no object', '[1]', [400, 'invalid_json', null]],
    [
      'an infinite number',
      `{"messages":${JSON.stringify(messages)},"temperature":1e999}`,
      [400, 'invalid_value', 'temperature'],
    ],
  ])('%s', async (_what, body, expected) => {
    expect(await refusal(CHAT, body)).toEqual(expected);
  });

  test('a body of another type', async () => {
    expect(await refusal(CHAT, 'a=b', { 'content-type': 'application/x-www-form-urlencoded' })).toEqual([
      400,
      'invalid_json',
      null,
    ]);
  });

  test.each([
    [{ temperature: '1' }, 'temperature'],
    [{ temperature: 2.1 }, 'temperature'],
    [{ temperature: -0.1 }, 'temperature'],
    [{ top_p: -0.1 }, 'top_p'],
    [{ top_p: 1.1 }, 'top_p'],
    [{ top_k: 1.5 }, 'top_k'],
    [{ top_k: -2 }, 'top_k'],
    [{ min_p: 1.01 }, 'min_p'],
    [{ max_tokens: 0 }, 'max_tokens'],
    [{ max_tokens: 1.5 }, 'max_tokens'],
    [{ truncate_prompt_tokens: 0 }, 'truncate_prompt_tokens'],
    [{ truncate_prompt_tokens: -2 }, 'truncate_prompt_tokens'],
    [{ max_tokens: true }, 'max_tokens'],
    [{ n: 17 }, 'n'],
    [{ seed: 'x' }, 'seed'],
    [{ seed: 1.5 }, 'seed'],
    [{ seed: 2 ** 64 }, 'seed'],
    [{ stop: Array(257).fill('a') }, 'stop'],
    [{ stop: ['a'.repeat(9_000), '\u2603'.repeat(3_000)] }, 'stop'],
    [{ stop: [''] }, 'stop'],
    [{ cache_salt: '' }, 'cache_salt'],
    [{ cache_salt: 'x'.repeat(257) }, 'cache_salt'],
    [{ cache_salt: 7 }, 'cache_salt'],
    [{ chat_template_kwargs: 'x' }, 'chat_template_kwargs'],
    [{ chat_template_kwargs: { messages: [] } }, 'chat_template_kwargs.messages'],
    [
      { chat_template_kwargs: { add_generation_prompt: false } },
      'chat_template_kwargs.add_generation_prompt',
    ],
    [{ chat_template_kwargs: { eos_token: '' } }, 'chat_template_kwargs.eos_token'],
    [{ chat_template_kwargs: { note: 'x'.repeat(20_000) } }, 'chat_template_kwargs'],
    [{ continue_final_message: true, add_generation_prompt: true }, 'continue_final_message'],
    [{ stop: [1] }, 'stop'],
    [{ stop_token_ids: [258] }, 'stop_token_ids'],
    [{ logit_bias: { 1: 101 } }, 'logit_bias.1'],
    [{ logit_bias: { a: 1 } }, 'logit_bias.a'],
    [{ logit_bias: { 258: 1 } }, 'logit_bias'],
    [{ presence_penalty: 3 }, 'presence_penalty'],
    [{ repetition_penalty: 0 }, 'repetition_penalty'],
    [{ min_tokens: 5, max_tokens: 4 }, 'min_tokens'],
    [{ stream: 'yes' }, 'stream'],
    [{ stream_options: { include_usage: true } }, 'stream_options'],
    [{ tools: {} }, 'tools'],
    [{ tools: Array(129).fill(NOW) }, 'tools'],
    [{ tools: [NOW, NOW] }, 'tools[1].function.name'],
    [{ tools: [{ type: 'function' }] }, 'tools[0].function'],
    [{ tools: [{ type: 'function', function: { name: 'now then' } }] }, 'tools[0].function.name'],
    [
      { tools: [{ type: 'function', function: { name: 'f', parameters: [] } }] },
      'tools[0].function.parameters',
    ],
    [{ tool_choice: 'required' }, 'tool_choice'],
    [{ tool_choice: 'any' }, 'tool_choice'],
    [{ tools: [NOW], tool_choice: { type: 'function' } }, 'tool_choice.function'],
    [
      { tools: [NOW], tool_choice: { type: 'function', function: { name: 'then' } } },
      'tool_choice.function.name',
    ],
    [{ parallel_tool_calls: 'no' }, 'parallel_tool_calls'],
    [{ messages: [] }, 'messages'],
    [{ messages: 'Hello' }, 'messages'],
    [{ messages: [{ role: 'robot', content: '' }] }, 'messages[0].role'],
    [{ messages: [...messages, { role: 'user', content: 7 }] }, 'messages[1].content'],
    [{ messages: [{ role: 'user' }] }, 'messages[0].content'],
    [{ messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'messages[0].content[0].text'],
    ...[
      { function: { name: 'f', arguments: '{"a": 1' } },
      { function: { name: 'f', arguments: '[1]' } },
      { function: { name: 'f', arguments: 7 } },
      { function: { name: 'f', arguments: '['.repeat(1_000) + ']'.repeat(1_000) } },
      { function: { name: 'f', arguments: `${'{"a":'.repeat(200)}1${'}'.repeat(200)}` } },
    ].map((call) => [
      { messages: [...messages, { role: 'assistant', tool_calls: [call] }] },
      'messages[1].tool_calls[0].function.arguments',
    ]),
    [
      { messages: [{ role: 'assistant', tool_calls: [{ type: 'function' }] }] },
      'messages[0].tool_calls[0].function',
    ],
    [
      { messages: [{ role: 'assistant', tool_calls: [{ function: { name: '' } }] }] },
      'messages[0].tool_calls[0].function.name',
    ],
    [
      { messages: [{ role: 'assistant', function_call: { name: 'f', arguments: 'x' } }] },
      'messages[0].function_call.arguments',
    ],
    [{ messages: [{ role: 'tool', content: null, tool_call_id: 'c1' }] }, 'messages[0].content'],
    [{ messages: [{ role: 'user', content: [null] }] }, 'messages[0].content'],
  ] as [object, string][])('invalid_value: %j', async (fields, param) => {
    expect(await refusal(CHAT, { messages, ...fields })).toEqual([400, 'invalid_value', param]);
  });

  test.each([
    [CHAT, { logprobs: 2 }, 'logprobs'],
    [CHAT, { top_logprobs: 2 }, 'top_logprobs'],
    [CHAT, { logprobs: true, top_logprobs: 21 }, 'top_logprobs'],
    [CHAT, { prompt_logprobs: -1 }, 'prompt_logprobs'],
    [CHAT, { prompt_logprobs: 1, stream: true }, 'prompt_logprobs'],
    ['/v1/completions', { logprobs: 21 }, 'logprobs'],
    ['/v1/completions', { logprobs: true }, 'logprobs'],
    ['/v1/completions', { max_tokens: 0 }, 'max_tokens'],
    ['/v1/completions', { echo: 'yes' }, 'echo'],
  ])('invalid_value of log probabilities: %s %j', async (path, fields, param) => {
    expect(await refusal(path, { messages, prompt: 'a', ...fields })).toEqual([400, 'invalid_value', param]);
  });

  test.each([
    [CHAT, { tools: [{ type: 'web_search' }] }, 'tools[0].type'],
    [CHAT, { tools: [NOW], tool_choice: { type: 'allowed_tools', allowed_tools: {} } }, 'tool_choice.type'],
    [CHAT, { functions: [{ name: 'now' }] }, 'functions'],
    [CHAT, { modalities: ['text', 'audio'] }, 'modalities'],
    [CHAT, { structural_tag: '{}' }, 'structural_tag'],
    [CHAT, { grammar_string: 'root ::= "yes"' }, 'grammar_string'],
    [CHAT, { stop_regex: '[.]' }, 'stop_regex'],
    [CHAT, { options: { num_predict: 3 } }, 'options'],
    [CHAT, { lora_path: 'a' }, 'lora_path'],
    [CHAT, { chat_template: '{{ messages }}' }, 'chat_template'],
    ['/tokenize', { prompt: null, chat_template: '{{ messages }}' }, 'chat_template'],
    [CHAT, { documents: [{ text: 'a' }] }, 'documents'],
    ['/v1/completions', { system: 'Be brief.' }, 'system'],
    ['/v1/completions', { best_of: 3, n: 2 }, 'best_of'],
    [CHAT, { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, 'messages[0].content[0]'],
    [CHAT, { echo: true }, 'echo'],
    [CHAT, { messages: [{ role: 'user', content: [{ type: 'input_audio' }] }] }, 'messages[0].content[0]'],
    [CHAT, { messages: [{ role: 'user', content: [{ type: 'file', file: {} }] }] }, 'messages[0].content[0]'],
    [
      CHAT,
      { messages: [{ role: 'assistant', tool_calls: [{ type: 'custom', custom: { name: 'f' } }] }] },
      'messages[0].tool_calls[0].type',
    ],
    ['/v1/completions', { suffix: 'x' }, 'suffix'],
    ['/v1/completions', { best_of: 2 }, 'best_of'],
  ])('unsupported_parameter: %s %j', async (path, fields, param) => {
    expect(await refusal(path, { messages, prompt: 'a', ...fields })).toEqual([
      400,
      'unsupported_parameter',
      param,
    ]);
  });

  test.each([[''], [[]], [['']], [[258]], [[1, 'a']], [{}], [undefined]])(
    'a prompt that is %j',
    async (prompt) => {
      expect(await refusal('/v1/completions', { prompt })).toEqual([400, 'invalid_value', 'prompt']);
    },
  );

  const everywhere: readonly object[] = [
    ...[{ temperature: null }, { n: null }, { n: 1 }, { seed: null }, { max_tokens: null }, { user: 'u' }],
    ...[{ stop: null }, { stop: '' }, { stop: [] }, { stop: ['a', 'b', 'c', 'd', 'e', 'f'] }],
    ...[
      { skip_special_tokens: false },
      { skip_special_tokens: true },
      { spaces_between_special_tokens: false },
    ],
    ...[{ stop_token_ids: null }, { stop_token_ids: [] }, { logit_bias: null }, { logit_bias: {} }],
    ...[{ top_p: 0 }, { top_p: 0, temperature: 0 }, { top_p: 1 }, { min_p: 0 }, { top_k: 0 }, { top_k: -1 }],
    ...[{ presence_penalty: -2 }, { frequency_penalty: 2 }, { repetition_penalty: 1 }, { min_tokens: 0 }],
    ...[{ seed: 0 }, { seed: -1 }, { seed: 2 ** 53 }, { seed: 2 ** 63 }, { seed: -(2 ** 63) }],
    ...[{ stream_options: null }, { stream: null }, { stream: true, stream_options: {} }],
    ...[
      { n: 2, stream: true },
      { stream: true, stream_options: { include_usage: false } },
    ],
    ...[
      { response_format: null },
      { response_format: { type: 'text' } },
      { logprobs: null },
      { logprobs: false },
    ],
    ...[{ grammar: '' }, { json_schema: {} }, { regex: null }, { format: '' }, { guided_json: null }],
    ...[{ store: true }, { metadata: { a: 'b' } }, { service_tier: 'auto' }, { safety_identifier: 'x' }],
    ...[
      { prompt_cache_key: 'k' },
      { priority: 1 },
      { request_id: 'r' },
      { cache_prompt: true },
      { new_one: 1 },
    ],
    ...[{ max_tokens: 65_535 }, { max_tokens: 2 ** 63 }, { truncate_prompt_tokens: -1 }, { cache_salt: 'a' }],
  ];
  const inChat: readonly object[] = [
    ...[{ logprobs: 0 }, { top_logprobs: 0 }, { tools: [] }, { tools: null }, { tool_choice: 'auto' }],
    ...[{ tool_choice: 'none', parallel_tool_calls: false }, { functions: [] }, { modalities: ['text'] }],
    ...[{ reasoning_effort: 'low' }, { verbosity: 'low' }, { max_completion_tokens: 5 }, { audio: null }],
    ...[{ chat_template_kwargs: {} }, { chat_template_kwargs: { enable_thinking: false } }],
    ...[{ add_generation_prompt: true }, { add_generation_prompt: false }, { continue_final_message: false }],
    ...[{ echo: false }, { documents: [] }, { tools: [NOW], tool_choice: 'required' }],
    ...[{ tools: [NOW], tool_choice: { type: 'function', function: { name: 'now' } } }],
    ...[{ tools: [{ type: 'function', function: { name: 'f', strict: true } }] }],
  ];
  const inCompletions: readonly object[] = [
    ...[{ best_of: 1 }, { best_of: 2, n: 2 }, { suffix: null }, { suffix: '' }, { echo: false }],
  ];
  test.each([
    ...[...everywhere, ...inChat].map((fields) => [CHAT, fields] as const),
    ...[...everywhere, ...inCompletions].map((fields) => ['/v1/completions', fields] as const),
  ])('accepted as OpenAI or vLLM accept it: %s %j', async (path, fields) => {
    const response = await gateway.post(path, { messages, prompt: 'a', ...fields });
    expect([response.status, await response.text()]).toEqual([200, expect.any(String)]);
  });

  test('an overlong prompt or answer, in the words of OpenAI', async () => {
    const long = [{ role: 'user', content: 'x'.repeat(300) }];
    const overlong = gateway.client.chat.completions.create({ model: 'default', messages: long as never });
    await expect(overlong).rejects.toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
      param: 'messages',
      message:
        "400 This model's maximum context length is 200 tokens. However, your messages resulted in 318 tokens. " +
        'Please reduce the length of the messages.',
    });
    const strict = await startTestGateway({ maxTokens: 'strict' });
    const greedy = strict.client.completions.create({ model: 'default', prompt: 'abc', max_tokens: 197 });
    await expect(greedy).rejects.toMatchObject({
      code: 'context_length_exceeded',
      param: 'prompt',
      message: expect.stringContaining(
        'you requested 201 tokens (4 in the prompt, 197 in the completion)',
      ) as string,
    });
    await strict.close();
  });

  test('an unknown model, an unknown route', async () => {
    expect(await refusal(CHAT, { messages, model: 'gpt-9' })).toEqual([404, 'model_not_found', 'model']);
    expect(await refusal('/v1/embeddings', {})).toEqual([404, 'route_not_found', null]);
    const response = await fetch(`${gateway.url}/v1/models/%E0%A4%A`);
    expect([response.status, await response.json()]).toMatchObject([
      404,
      { error: { code: 'route_not_found' } },
    ]);
  });

  test('a body of 10 MB, with or without its length told beforehand', async () => {
    const body = JSON.stringify({ messages: [{ role: 'user', content: 'x'.repeat(10 << 20) }] });
    expect(await refusal(CHAT, body)).toEqual([413, 'request_too_large', null]);

    const response = await fetch(gateway.url + CHAT, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new Blob([body]).stream(),
      duplex: 'half',
    });
    expect(response.status).toBe(413);
    expect((await gateway.post(CHAT, { messages })).status).toBe(200);
  });

  test('more choices than can ever run', async () => {
    expect(await refusal('/v1/completions', { prompt: ['a', 'b'], n: 9 })).toEqual([
      400,
      'invalid_value',
      'n',
    ]);
    expect(await refusal('/v1/completions', { prompt: Array(17).fill('a') })).toEqual([
      400,
      'invalid_value',
      'prompt',
    ]);
  });

  test('what will repeat says so, what may pass says when', async () => {
    const bad = await gateway.post(CHAT, { messages: [] });
    expect(bad.headers.get('x-should-retry')).toBe('false');
    expect(bad.headers.get('retry-after')).toBeNull();

    gateway.backend.refusal = new ServingError('stage_unavailable', 'stage-1 has no replica');
    const away = await gateway.post(CHAT, { messages });
    expect(away.status).toBe(503);
    expect(away.headers.get('x-should-retry')).toBe('true');
    expect(Number(away.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);

    gateway.backend.refusal = new ServingError('kv_exhausted', 'no room for 40 tokens');
    const full = await gateway.post(CHAT, { messages });
    expect(full.status).toBe(429);
    expect(Number(full.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  });

  test('a bug keeps its secrets', async () => {
    gateway.backend.refusal = new Error('password is hunter2');
    const response = await gateway.post(CHAT, { messages });
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('hunter2');
  });

  test('one choice that finds no room frees the others', async () => {
    gateway.backend.script = stuckAfter([]);
    const { backend } = gateway;
    const generate = backend.generate.bind(backend);
    let calls = 0;
    backend.generate = (request, signal) =>
      ++calls === 2 ? Promise.reject(new ServingError('kv_exhausted', 'full')) : generate(request, signal);
    expect(await refusal(CHAT, { messages, n: 3 })).toEqual([429, 'kv_exhausted', null]);
    expect(backend.signals.slice(-2).map(({ aborted }) => aborted)).toEqual([true, true]);
    expect(gateway.admission.running).toBe(0);
    backend.generate = generate;
  });

  test('an error after the first token is an event, which the client throws', async () => {
    gateway.backend.script = async function* () {
      yield* await Promise.resolve(Buffer.from('so'));
      throw new ServingError('stream_broken', 'lost stage-1');
    };
    let text = '';
    const read = async (): Promise<void> => {
      const request = {
        model: 'default',
        messages,
        stream: true,
      } as OpenAI.ChatCompletionCreateParamsStreaming;
      for await (const { choices } of await gateway.client.chat.completions.create(request)) {
        text += choices[0]!.delta.content ?? '';
      }
    };
    await expect(read()).rejects.toMatchObject({ code: 'stream_broken', type: 'server_error' });
    expect(text).toBe('so');
    expect(gateway.admission.running).toBe(0);
  });

  test('tokens that end too early are an error, not an answer', async () => {
    gateway.backend.script = tokensOf(Buffer.from('so'));
    expect(await refusal(CHAT, { messages })).toEqual([503, 'stream_broken', null]);
  });
});
