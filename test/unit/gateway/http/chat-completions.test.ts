import type { ChatCompletionChunk, ChatCompletionCreateParamsNonStreaming } from 'openai/resources/chat';
import { BOS, say, EOS } from '../byte-text.js';
import { tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

const hello: ChatCompletionCreateParamsNonStreaming = {
  model: 'default',
  messages: [{ role: 'user', content: 'Hello' }],
};
const PROMPT = 'user: Hello\nassistant: ';

async function chunksOf(stream: AsyncIterable<ChatCompletionChunk>): Promise<ChatCompletionChunk[]> {
  const chunks: ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const textOf = (chunks: readonly ChatCompletionChunk[], index = 0): string =>
  chunks
    .flatMap(({ choices }) => choices)
    .filter((choice) => choice.index === index)
    .map(({ delta }) => delta.content ?? '')
    .join('');

describe('POST /v1/chat/completions', () => {
  let gateway: TestGateway;
  beforeEach(async () => {
    gateway = await startTestGateway();
    gateway.backend.script = tokensOf(say('Snowman: \u2603\u{1f600}'));
  });
  afterEach(() => gateway.close());

  test('answers whole', async () => {
    const { data, response } = await gateway.client.chat.completions.create(hello).withResponse();

    expect(data).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/) as string,
      object: 'chat.completion',
      model: 'test/model',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Snowman: \u2603\u{1f600}', refusal: null },
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: PROMPT.length,
        completion_tokens: 17,
        total_tokens: PROMPT.length + 17,
        prompt_tokens_details: { cached_tokens: 0 },
      },
    });
    expect(Math.abs(data.created - Date.now() / 1000)).toBeLessThan(60);
    expect(response.headers.get('x-layermesh-route')).toBe('stage-0/a>stage-1/b1');
    expect(gateway.backend.open).toBe(0);
  });

  test('gives the mesh the prompt, the defaults and the rest of the context', async () => {
    await gateway.client.chat.completions.create(hello);
    expect(gateway.backend.requests[0]).toMatchObject({
      prompt: [...Buffer.from(PROMPT)],
      maxTokens: 200 - PROMPT.length,
      sampling: { temperature: 1, topP: 1, topK: 0, minP: 0, minTokens: 0, stopIds: [EOS] },
    });
  });

  test('streams the same text, no character in halves, with one id and one finish', async () => {
    const chunks = await chunksOf(await gateway.client.chat.completions.create({ ...hello, stream: true }));

    expect(textOf(chunks)).toBe('Snowman: \u2603\u{1f600}');
    expect(chunks.every((chunk) => chunk.choices[0]!.delta.content?.includes('\ufffd') !== true)).toBe(true);
    expect(new Set(chunks.map(({ id, created }) => `${id} ${created}`)).size).toBe(1);
    expect(chunks[0]!.choices[0]!.delta).toEqual({ role: 'assistant', content: '' });
    expect(chunks.at(-1)!.choices[0]).toMatchObject({ delta: {}, finish_reason: 'stop' });
    expect(chunks.filter(({ choices }) => choices[0]!.finish_reason !== null)).toHaveLength(1);
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
  });

  test('ends a stream with the usage when it is asked for, and null before', async () => {
    const request = { ...hello, stream: true, stream_options: { include_usage: true } } as const;
    const chunks = await chunksOf(await gateway.client.chat.completions.create(request));
    const last = chunks.pop()!;
    expect(last.choices).toEqual([]);
    expect(last.usage).toMatchObject({ prompt_tokens: PROMPT.length, completion_tokens: 17 });
    expect(chunks.every(({ usage }) => usage === null)).toBe(true);
  });

  test('sends headers that keep proxies from buffering, and [DONE] at the end', async () => {
    const response = await gateway.post('/v1/chat/completions', { ...hello, stream: true });
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-cache');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    expect(await response.text()).toMatch(/\n\ndata: \[DONE\]\n\n$/);
  });

  test('stops at a stop string, of which nothing is shown, and frees the sequence', async () => {
    for (const stream of [false, true]) {
      gateway.backend.script = tokensOf(say('one, two, three'));
      const response = await gateway.post('/v1/chat/completions', {
        ...hello,
        stream,
        stop: [' three', ', th'],
      });
      const body = await response.text();
      expect(body).not.toContain(', th');
      expect(body).toContain('"finish_reason":"stop"');
      if (!stream)
        expect(JSON.parse(body)).toMatchObject({ choices: [{ message: { content: 'one, two' } }] });
      expect(gateway.backend.open).toBe(0);
    }
  });

  test('shows special tokens when told to, but for the one that ends the answer', async () => {
    for (const [skip_special_tokens, text] of [
      [true, 'ab'],
      [false, 'a<s>b'],
    ] as const) {
      gateway.backend.script = tokensOf([...Buffer.from('a'), BOS, ...say('b')]);
      const response = await gateway.post('/v1/chat/completions', { ...hello, skip_special_tokens });
      expect(await response.json()).toMatchObject({ choices: [{ message: { content: text } }] });
    }
  });

  test('keeps the stop string when told to', async () => {
    const request = { ...hello, stop: ':', include_stop_str_in_output: true };
    const { choices } = await gateway.client.chat.completions.create(request);
    expect(choices[0]!.message.content).toBe('Snowman:');
  });

  test('ends with length after max_tokens; max_completion_tokens wins', async () => {
    const request = { ...hello, max_tokens: 9, max_completion_tokens: 4 };
    const { choices, usage } = await gateway.client.chat.completions.create(request);
    expect(choices[0]).toMatchObject({ message: { content: 'Snow' }, finish_reason: 'length' });
    expect(usage!.completion_tokens).toBe(4);
  });

  test('runs n choices at once, with seeds that follow each other', async () => {
    gateway.backend.script = (request, signal) =>
      tokensOf(say(`seed ${request.sampling.seed}`))(request, signal);
    const request = { ...hello, n: 3, seed: 40 };

    const { data, response } = await gateway.client.chat.completions.create(request).withResponse();
    expect(data.choices.map(({ message }) => message.content)).toEqual(['seed 40', 'seed 41', 'seed 42']);
    expect(data.usage).toMatchObject({ prompt_tokens: PROMPT.length, completion_tokens: 3 * 8 });
    expect(response.headers.get('x-layermesh-route')).toBe(
      'stage-0/a>stage-1/b1, stage-0/a>stage-1/b2, stage-0/a>stage-1/b3',
    );

    const chunks = await chunksOf(await gateway.client.chat.completions.create({ ...request, stream: true }));
    expect([0, 1, 2].map((index) => textOf(chunks, index))).toEqual(['seed 40', 'seed 41', 'seed 42']);
  });

  test('returns token ids on request', async () => {
    gateway.backend.script = tokensOf(say('Hi'));
    const body = { ...hello, return_token_ids: true };
    expect(await (await gateway.post('/v1/chat/completions', body)).json()).toMatchObject({
      prompt_token_ids: [...Buffer.from(PROMPT)],
      choices: [{ token_ids: say('Hi') }],
    });

    const stream = await (await gateway.post('/v1/chat/completions', { ...body, stream: true })).text();
    const tokenIds = [...stream.matchAll(/"token_ids":\[(\d+)\]/g)].map(([, id]) => Number(id));
    expect(tokenIds).toEqual(say('Hi'));
    expect(stream.match(/"prompt_token_ids"/g)).toHaveLength(1);
  });

  test('ignores an eos with ignore_eos, but not a stop_token_id', async () => {
    gateway.backend.script = tokensOf([...say('a'), ...say('b')]);
    const request = { ...hello, ignore_eos: true, stop_token_ids: ['b'.charCodeAt(0)] };
    const { choices, usage } = await gateway.client.chat.completions.create(request);
    expect(choices[0]).toMatchObject({ message: { content: 'a' }, finish_reason: 'stop' });
    expect(usage!.completion_tokens).toBe(3);
  });

  it.each([true, false])(
    'answers the choices that have a route while others wait for their room, streaming: %s',
    async (stream) => {
      const { backend } = gateway;
      const generate = backend.generate.bind(backend);
      let calls = 0;
      let end = (): void => undefined;
      const firstEnded = new Promise<void>((resolve) => (end = resolve));
      backend.generate = async (request, signal) => {
        if (++calls === 2) await firstEnded;
        const generation = await generate(request, signal);
        return { ...generation, tokens: ended(generation.tokens, end) };
      };
      backend.script = tokensOf([...say('hi'), EOS]);
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ messages: [{ role: 'user', content: 'x' }], n: 2, stream }),
      });
      expect(response.status).toBe(200);
      expect((await response.text()).match(/"finish_reason":"stop"/g)).toHaveLength(2);

      async function* ended<Value>(values: AsyncIterable<Value>, done: () => void): AsyncGenerator<Value> {
        try {
          yield* values;
        } finally {
          done();
        }
      }
    },
  );
});
