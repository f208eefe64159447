import type { ChatCompletionChunk, ChatCompletionCreateParamsNonStreaming } from 'openai/resources/chat';
import type { StepTokens, TokenLogprob } from '../../../../services/lib/sampling/step-tokens.js';
import { BOS, byteTokenizer, EOS, say } from '../byte-text.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

/** Each token is the second likeliest, after the byte 0xff and before `z`. */
const told = (id: number, likeliest: number): TokenLogprob => ({
  logprob: -id / 64,
  rank: 2,
  ids: [255, id, 122].slice(0, likeliest),
  values: [-0.125, -id / 64, -9].slice(0, likeliest),
});
const messages = [{ role: 'user' as const, content: 'Hi' }];

describe('log probabilities', () => {
  let gateway: TestGateway;
  beforeEach(async () => {
    gateway = await startTestGateway();
    gateway.backend.script = async function* ({ prompt, sampling, score }) {
      const scored = { from: 1, logprobs: prompt.slice(1).map((id) => told(id, score!)) };
      for (const [index, id] of say('ok!').entries()) {
        await Promise.resolve();
        yield {
          tokens: [id],
          ...(sampling.logprobs !== null && { logprobs: [told(id, sampling.logprobs)] }),
          ...(index === 0 && score !== undefined && { scored }),
        } satisfies StepTokens;
      }
    };
  });
  afterEach(() => gateway.close());

  const complete = async (fields: object) => {
    const response = await gateway.post('/v1/completions', { prompt: 'Hi', max_tokens: 3, ...fields });
    const body = (await response.json()) as {
      choices: {
        text: string;
        finish_reason: string;
        logprobs: Record<string, unknown[]>;
        prompt_logprobs?: unknown[];
      }[];
      usage: object;
      error?: { message: string };
    };
    expect([response.status, body.error?.message]).toEqual([200, undefined]);
    return { ...body.choices[0]!, usage: body.usage };
  };
  const refused = async (path: string, fields: object): Promise<unknown[]> => {
    const response = await gateway.post(path, { prompt: 'Hi', messages, ...fields });
    const { error } = (await response.json()) as { error: { code: string; param: string; message: string } };
    return [response.status, error.code, error.param, error.message];
  };

  test('of a chat, as its client reads them', async () => {
    const answer = await gateway.client.chat.completions.create({
      model: 'tester',
      messages,
      logprobs: true,
      top_logprobs: 1,
    });
    const { content } = answer.choices[0]!.logprobs!;
    expect(content!.map(({ token, logprob, bytes }) => [token, logprob, bytes])).toEqual([
      ['o', -111 / 64, [111]],
      ['k', -107 / 64, [107]],
      ['!', -33 / 64, [33]],
      ['</s>', -EOS / 64, [...Buffer.from('</s>')]],
    ]);
    expect(content![0]!.top_logprobs).toEqual([{ token: 'bytes:\\xff', logprob: -0.125, bytes: [255] }]);
    expect(gateway.backend.requests[0]).toMatchObject({ sampling: { logprobs: 1 } });
    expect(gateway.backend.requests[0]).not.toHaveProperty('score');
  });

  test('of a chat that streams come with the text that they are of', async () => {
    const chunks: ChatCompletionChunk[] = [];
    const request = { model: 'tester', messages, logprobs: true, stop: 'k!', stream: true } as const;
    for await (const chunk of await gateway.client.chat.completions.create(request)) chunks.push(chunk);
    expect(
      chunks.flatMap(({ choices }) => choices[0]!.logprobs?.content?.map(({ token }) => token) ?? []),
    ).toEqual(['o']);
    expect(chunks.map(({ choices }) => choices[0]!.delta.content ?? '').join('')).toBe('o');
  });

  test('are told by nobody who was not asked', async () => {
    const answer = await gateway.client.chat.completions.create({ model: 'tester', messages });
    expect(answer.choices[0]!.logprobs).toBeNull();
    expect(gateway.backend.requests[0]).toMatchObject({ sampling: { logprobs: null } });
  });

  test('of a completion, with its own token among the likeliest', async () => {
    const { logprobs } = await complete({ logprobs: 1 });
    expect(logprobs).toEqual({
      tokens: ['o', 'k', '!'],
      token_logprobs: [-111 / 64, -107 / 64, -33 / 64],
      top_logprobs: [
        { 'bytes:\\xff': -0.125, o: -111 / 64 },
        { 'bytes:\\xff': -0.125, k: -107 / 64 },
        { 'bytes:\\xff': -0.125, '!': -33 / 64 },
      ],
      text_offset: [0, 1, 2],
    });
    expect((await complete({ logprobs: 0 })).logprobs['top_logprobs']![0]).toEqual({ o: -111 / 64 });
  });

  test('of the prompt too, as lm-eval reads them, for token ids', async () => {
    const prompt = [BOS, ...Buffer.from('Hi')];
    const { text, logprobs, usage } = await complete({
      prompt: [prompt],
      max_tokens: 1,
      logprobs: 1,
      echo: true,
      temperature: 0,
    });
    expect(text).toBe('Hio');
    expect(logprobs['tokens']).toEqual(['<s>', 'H', 'i', 'o']);
    expect(logprobs['token_logprobs']).toEqual([null, -72 / 64, -105 / 64, -111 / 64]);
    expect(logprobs['top_logprobs']![0]).toBeNull();
    expect(logprobs['text_offset']).toEqual([0, 0, 1, 2]);
    expect(usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 1 });
    expect(gateway.backend.requests[0]).toMatchObject({ prompt, score: 1, maxTokens: 1 });
  });

  test('of the prompt alone', async () => {
    for (const prompt of ['Hi', 'x'.repeat(199)]) {
      const { text, logprobs, finish_reason, usage } = await complete({
        prompt,
        max_tokens: 0,
        logprobs: 2,
        echo: true,
      });
      expect([text, finish_reason]).toEqual([prompt, 'length']);
      expect(logprobs['token_logprobs']).toHaveLength(prompt.length + 1);
      expect(usage).toMatchObject({ completion_tokens: 0 });
    }
    expect(await complete({ max_tokens: 0, echo: true })).toMatchObject({ text: 'Hi', logprobs: null });
  });

  test('of the prompt begin a stream', async () => {
    const response = await gateway.post('/v1/completions', {
      prompt: 'Hi',
      max_tokens: 2,
      logprobs: 0,
      echo: true,
      stream: true,
    });
    const events = (await response.text()).split('\n\n').filter((event) => event.startsWith('data: {'));
    const chunks = events.map(
      (event) =>
        (
          JSON.parse(event.slice(6)) as {
            choices: { text: string; logprobs: { tokens: string[]; text_offset: number[] } | null }[];
          }
        ).choices[0]!,
    );
    expect(chunks.map(({ text, logprobs }) => [text, logprobs?.tokens, logprobs?.text_offset])).toEqual([
      ['Hio', ['<s>', 'H', 'i', 'o'], [0, 0, 1, 2]],
      ['k', ['k'], [3]],
      ['', undefined, undefined],
    ]);
  });

  test("vLLM's prompt_logprobs, apart from the answer", async () => {
    const expected = (id: number, text: string) => ({
      255: { logprob: -0.125, rank: 1, decoded_token: 'bytes:\\xff' },
      [id]: { logprob: -id / 64, rank: 2, decoded_token: text },
    });
    const { prompt_logprobs, logprobs } = await complete({ prompt_logprobs: 1 });
    expect([prompt_logprobs, logprobs]).toEqual([[null, expected(72, 'H'), expected(105, 'i')], null]);
    const chat = { model: 'tester', messages, prompt_logprobs: 0 } as ChatCompletionCreateParamsNonStreaming;
    const answer = (await gateway.client.chat.completions.create(chat)) as unknown as {
      prompt_logprobs: (object | null)[];
    };
    expect(answer.prompt_logprobs.map((each) => Object.keys(each ?? {}).length)).toEqual([
      0,
      ...new Array<number>(19).fill(1),
    ]);
  });

  test('tell tokens of one text apart by their ids', async () => {
    await gateway.close();
    const twins = { ...byteTokenizer, bytesOf: (id: number) => Uint8Array.of(id === 255 ? 111 : id & 127) };
    gateway = await startTestGateway({ tokenizer: twins });
    gateway.backend.script = async function* () {
      await Promise.resolve();
      yield { tokens: [111], logprobs: [told(111, 2)] };
    };
    const { logprobs } = await complete({ max_tokens: 1, logprobs: 2 });
    expect(logprobs).toMatchObject({
      tokens: ['o'],
      top_logprobs: [{ 'token_id:255': -0.125, o: -111 / 64 }],
    });
  });

  test('are bounded for an answer as a whole', async () => {
    await gateway.close();
    gateway = await startTestGateway({ contextLength: 30_000 });
    const problem = ['/v1/completions', { prompt: [1, 2], n: 16, max_tokens: 20_000, logprobs: 20 }] as const;
    expect((await refused(...problem)).slice(0, 3)).toEqual([400, 'invalid_value', 'logprobs']);
    const prompts = new Array(3).fill(new Array(9_000).fill(97));
    const many = { prompt: prompts, max_tokens: 1, prompt_logprobs: 20 };
    expect((await refused('/v1/completions', many)).slice(0, 3)).toEqual([
      400,
      'invalid_value',
      'prompt_logprobs',
    ]);
    expect(gateway.backend.requests).toEqual([]);
    expect(gateway.admission.running).toBe(0);
  });

  test.each([
    ['/v1/chat/completions', { logprobs: true }, 'logprobs'],
    ['/v1/completions', { logprobs: 0 }, 'logprobs'],
    ['/v1/completions', { prompt_logprobs: 0 }, 'prompt_logprobs'],
  ])('are refused where the engine only takes time: %s %j', async (path, fields, param) => {
    await gateway.close();
    gateway = await startTestGateway({ engine: 'timed (a100-40g, cost model 1)' });
    const [status, code, name, message] = await refused(path, fields);
    expect([status, code, name]).toEqual([400, 'unsupported_parameter', param]);
    expect(message).toContain('timed (a100-40g, cost model 1), computes no probabilities');
  });
});
