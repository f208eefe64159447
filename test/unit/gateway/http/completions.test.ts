import type { CompletionCreateParamsStreaming } from 'openai/resources/completions';
import { BOS, say } from '../byte-text.js';
import { tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

describe('POST /v1/completions', () => {
  let gateway: TestGateway;
  beforeEach(async () => {
    gateway = await startTestGateway();
    gateway.backend.script = tokensOf(say('a long enough answer'));
  });
  afterEach(() => gateway.close());

  test('answers whole, 16 tokens by default', async () => {
    const answer = await gateway.client.completions.create({ model: 'tester', prompt: 'Once' });
    expect(answer).toMatchObject({
      id: expect.stringMatching(/^cmpl-/) as string,
      object: 'text_completion',
      choices: [{ index: 0, text: 'a long enough an', finish_reason: 'length', logprobs: null }],
      usage: { prompt_tokens: 5, completion_tokens: 16, total_tokens: 21 },
    });
    expect(gateway.backend.requests[0]!.prompt).toEqual([BOS, ...Buffer.from('Once')]);
  });

  test('cuts max_tokens to the room there is, and says so', async () => {
    const send = (fields: object): Promise<Response> =>
      gateway.post('/v1/completions', { prompt: 'Once', ...fields });
    const clamped = await send({ max_tokens: 65_535 });
    expect([clamped.status, clamped.headers.get('x-layermesh-max-tokens')]).toEqual([200, '195']);
    expect(gateway.backend.requests.at(-1)!.maxTokens).toBe(195);
    const several = await send({ prompt: ['a', 'abc'], max_tokens: 198 });
    expect(several.headers.get('x-layermesh-max-tokens')).toBe('198, 196');
    expect((await send({ max_tokens: 195 })).headers.get('x-layermesh-max-tokens')).toBeNull();
  });

  test('keeps the end of a prompt for truncate_prompt_tokens, and carries a cache_salt', async () => {
    const body = { prompt: 'Once', truncate_prompt_tokens: 2, cache_salt: 'tenant' };
    expect((await gateway.post('/v1/completions', body)).status).toBe(200);
    expect(gateway.backend.requests[0]).toMatchObject({
      prompt: [...Buffer.from('ce')],
      cacheSalt: 'tenant',
    });
    await gateway.post('/v1/completions', { prompt: 'Once' });
    expect(gateway.backend.requests[1]).not.toHaveProperty('cacheSalt');
  });

  test('streams', async () => {
    let text = '';
    const reasons: string[] = [];
    const request = { model: 'tester', prompt: 'Once', max_tokens: 50, stream: true } as const;
    for await (const { choices } of await gateway.client.completions.create(request)) {
      text += choices[0]!.text;
      if ((choices[0]!.finish_reason as string | null) !== null) reasons.push(choices[0]!.finish_reason);
    }
    expect(text).toBe('a long enough answer');
    expect(reasons).toEqual(['stop']);
  });

  test('streams what a step brought as one event', async () => {
    const request = { model: 'tester', prompt: 'Once', max_tokens: 6, stream: true, return_token_ids: true };
    gateway.backend.script = async function* () {
      yield await Promise.resolve([97]);
      yield [98, 99, 100];
      yield [101, 102];
    };
    const chunks: unknown[] = [];
    const stream = await gateway.client.completions.create(
      request as unknown as CompletionCreateParamsStreaming,
    );
    for await (const { choices } of stream)
      if (choices[0]!.text !== '')
        chunks.push([choices[0]!.text, (choices[0] as { token_ids?: unknown }).token_ids]);
    expect(chunks).toEqual([
      ['a', [97]],
      ['bcd', [98, 99, 100]],
      ['ef', [101, 102]],
    ]);
  });

  test.each([
    ['a text', 'ab', [[BOS, 97, 98]]],
    [
      'texts',
      ['a', 'b'],
      [
        [BOS, 97],
        [BOS, 98],
      ],
    ],
    ['token ids', [97, 98], [[97, 98]]],
    ['arrays of token ids', [[97], [98]], [[97], [98]]],
  ])('takes %s', async (_kind, prompt, prompts) => {
    await gateway.client.completions.create({ model: 'tester', prompt });
    expect(gateway.backend.requests.map((request) => request.prompt)).toEqual(prompts);
  });

  test('tells the routes of the first choices, as many as headers have room for', async () => {
    const prompt = Array.from({ length: 12 }, (_, index) => `Once ${index}`);
    const response = await gateway.post('/v1/completions', { prompt, max_tokens: 2 });
    const { choices } = (await response.json()) as { choices: unknown[] };
    expect([choices.length, response.headers.get('x-layermesh-route')!.split(', ').length]).toEqual([12, 8]);
  });

  test('numbers the choices of several prompts one after the other', async () => {
    gateway.backend.script = (request, signal) =>
      tokensOf([...request.prompt.slice(1), ...say(String(request.sampling.seed))])(request, signal);
    const answer = await gateway.client.completions.create({
      model: 'tester',
      prompt: ['a', 'b'],
      n: 2,
      seed: 5,
    });
    expect(answer.choices.map(({ index, text }) => [index, text])).toEqual([
      [0, 'a5'],
      [1, 'a6'],
      [2, 'b5'],
      [3, 'b6'],
    ]);
    expect(answer.usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 12 });
  });
});
