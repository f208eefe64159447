import { PassThrough } from 'node:stream';
import { createSend } from '../../../../scripts/lib/measure/drivers.js';
import { timeToFirstToken } from '../../../../scripts/lib/measure/figures/requests.js';
import {
  HttpTarget,
  llamaDialect,
  openAiDialect,
  SseData,
} from '../../../../scripts/lib/measure/http-target.js';
import { PipeTarget } from '../../../../scripts/lib/measure/sites/peers.js';
import { scriptedSse, type ScriptedSse } from './scripted-sse.js';

const never = new AbortController().signal;
const planned = { kind: 'request', promptTokens: 3, outputTokens: 3 };
const event = (body: object): string => `data: ${JSON.stringify(body)}\n\n`;
const tokens = (...ids: number[]): string => event({ choices: [{ text: '', token_ids: ids }] });

it('events are the same in whatever pieces they arrive', () => {
  const stream = ': a comment\n\ndata: {"a":1}\n\ndata:{"b":2}\r\n\r\ndata: [DONE]\n\n';
  for (let size = 1; size <= stream.length; size++) {
    const data = new SseData();
    const found: string[] = [];
    for (let at = 0; at < stream.length; at += size) found.push(...data.push(stream.slice(at, at + size)));
    expect(found).toEqual(['{"a":1}', '{"b":2}']);
  }
});

describe('the tokens of an event', () => {
  it('are those that OpenAI’s dialect names, else one for a text', () => {
    const read = openAiDialect('m').reader();
    expect(read({ choices: [{ text: '', token_ids: [5, 6] }] })).toBe(2);
    expect(read({ choices: [{ text: '', token_ids: [], prompt_token_ids: [1] }] })).toBe(0);
    expect(read({ choices: [{ text: 'a' }] })).toBe(1);
    expect(read({ choices: [{ text: '', finish_reason: 'length' }] })).toBe(0);
    expect(read({ choices: [], usage: {} })).toBe(0);
    expect(() => read({ error: { message: 'broken' } })).toThrow('broken');
  });

  it('are what llama.cpp has predicted since, also what it held back', () => {
    const read = llamaDialect.reader();
    const counts = [1, 3, 3].map((predicted) => read({ content: 'x', tokens_predicted: predicted }));
    expect(counts).toEqual([1, 2, 0]);
    expect(read({ stop: true })).toBe(0);
    expect(() => read({ error: { message: 'broken' } })).toThrow('broken');
  });
});

describe('a completion over HTTP', () => {
  let server: ScriptedSse;
  afterEach(() => server.close());

  const send = () =>
    createSend(
      new HttpTarget(server.url, openAiDialect('m')),
      ({ promptTokens }) => Array<number>(promptTokens).fill(9),
      never,
    );

  it('asks for an exact prompt and a fixed output', async () => {
    server = await scriptedSse((response) => void response.end(tokens(1, 2, 3)));
    expect((await send()(planned)).error).toBeNull();
    expect(server.bodies).toEqual([
      {
        model: 'm',
        prompt: [9, 9, 9],
        max_tokens: 3,
        ignore_eos: true,
        temperature: 0,
        stream: true,
        return_token_ids: true,
      },
    ]);
  });

  it('has each token at the time at which it was written', async () => {
    // The next event is written when the client has told of the last, so every time lies between two of the server's.
    const written: number[] = [];
    let proceed: () => void = () => undefined;
    const told = (): Promise<void> => new Promise((resolve) => (proceed = resolve));
    server = await scriptedSse(async (response) => {
      response.write(event({ choices: [{ text: '', token_ids: [], prompt_token_ids: [9, 9, 9] }] }));
      for (const ids of [[1], [2, 3]]) {
        written.push(performance.now());
        const next = told();
        response.write(tokens(...ids));
        await next;
      }
      written.push(performance.now());
      response.end('data: [DONE]\n\n');
    });
    // The sender's clock starts between these two.
    const earliest = performance.now();
    const sender = send();
    const latest = performance.now();
    const record = await sender(planned, () => proceed());
    expect(record).toMatchObject({ kind: 'request', promptTokens: 3, outputTokens: 3, error: null });
    expect(record.tokens).toHaveLength(3);
    expect(record.tokens[1]).toBe(record.tokens[2]);
    for (const [index, time] of [record.tokens[0]!, record.tokens[1]!].entries()) {
      expect(latest + time).toBeGreaterThanOrEqual(written[index]!);
      expect(earliest + time).toBeLessThanOrEqual(written[index + 1]!);
    }
    expect(timeToFirstToken(record)).toBeGreaterThan(0);
  });

  it.each([
    ['is refused', 'HTTP 429: busy'],
    ['ends early', '1 tokens came, not 3'],
    ['breaks off', 'aborted'],
    ['tells of an error', 'lost a stage'],
  ])('that %s is recorded with the reason', async (how, reason) => {
    server = await scriptedSse((response) => {
      if (how === 'is refused') response.writeHead(429).end('busy');
      else if (how === 'ends early') response.end(tokens(1));
      else if (how === 'breaks off') response.write(tokens(1), () => response.destroy());
      else response.end(event({ error: { message: 'lost a stage' } }));
    });
    expect((await send()(planned)).error).toContain(reason);
  });

  it('that nobody answers is recorded too', async () => {
    server = await scriptedSse((response) => void response.end());
    const { url } = server;
    await server.close();
    server = await scriptedSse((response) => void response.end());
    const target = new HttpTarget(url, openAiDialect('m'));
    const record = await createSend(target, () => [1], never)(planned);
    expect(record).toMatchObject({ tokens: [], error: expect.stringContaining('ECONNREFUSED') as string });
  });

  it('that falls silent is recorded with what had come by then', async () => {
    server = await scriptedSse((response) => void response.write(tokens(1)));
    const target = new HttpTarget(server.url, openAiDialect('m'));
    const record = await createSend(target, () => [1], never, 500)(planned);
    expect(record.tokens).toHaveLength(1);
    expect(record.error).toBe('not within 0.5 s');
  });

  it('ends with the benchmark', async () => {
    const stop = new AbortController();
    server = await scriptedSse(() => stop.abort());
    const target = new HttpTarget(server.url, openAiDialect('m'));
    await expect(createSend(target, () => [1], stop.signal)(planned)).rejects.toThrow('abort');
  });
});

describe('an engine behind pipes', () => {
  const start = (): { target: PipeTarget; input: PassThrough; output: PassThrough } => {
    const [input, output] = [new PassThrough(), new PassThrough()];
    return { target: new PipeTarget(input.setEncoding('utf8'), output), input, output };
  };

  it('completes several at once', async () => {
    const { target, input, output } = start();
    output.write('{"ready": "1.2"}\n');
    expect(await target.ready).toBe('1.2');
    const counts: [string, number][] = [];
    const both = Promise.all(
      ['a', 'b'].map((name, index) =>
        target.complete({ prompt: [7], outputTokens: 2 + index }, (n) => counts.push([name, n]), never),
      ),
    );
    expect(input.read()).toBe('{"id":0,"prompt":[7],"output":2}\n{"id":1,"prompt":[7],"output":3}\n');
    output.write('{"tokens": {"0": 1, "1": 1}}\n{"tokens": {"0": 1, "1": 2}}\n');
    await both;
    expect(counts).toEqual([
      ['a', 1],
      ['b', 1],
      ['a', 1],
      ['b', 2],
    ]);
  });

  it('that ends fails what waits for it', async () => {
    const { target, output } = start();
    const completion = target.complete({ prompt: [7], outputTokens: 2 }, () => undefined, never);
    output.end();
    await expect(completion).rejects.toThrow('has ended');
    await expect(target.ready).rejects.toThrow('has ended');
  });
});
