import OpenAI from 'openai';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { eventually } from '../../../support/eventually.js';
import { say } from '../byte-text.js';
import { stuckAfter, tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway, type TestGatewayOptions } from '../test-gateway.js';

const KEY = 'sk-alice-0123456789';
const headers = { authorization: `Bearer ${KEY}` };
/** Of five tokens with the one in front, for which nine are set aside. */
const BODY = { prompt: 'Once', max_tokens: 4 };
const PATH = '/v1/completions';

let gateway: TestGateway;
afterEach(() => gateway.close());

async function start(limits: object, options: TestGatewayOptions = {}): Promise<void> {
  gateway = await startTestGateway({
    keys: JSON.stringify([{ name: 'alice', key: KEY, ...limits }]),
    ...options,
  });
  gateway.backend.script = tokensOf(say('ok'));
}

const chars = (text: string): number[] => [...Buffer.from(text)];

const limitsOf = (response: Response): Record<string, string> =>
  Object.fromEntries(
    [...response.headers].flatMap(([name, value]) =>
      name.startsWith('x-ratelimit-') ? [[name.slice('x-ratelimit-'.length), value]] : [],
    ),
  );

const left = async (): Promise<number> =>
  Number(limitsOf(await fetch(`${gateway.url}/v1/models`, { headers }))['remaining-tokens']);

async function expectRefused(response: Response): Promise<number> {
  expect([response.status, response.headers.get('x-should-retry')]).toEqual([429, 'true']);
  expect(await response.json()).toMatchObject({
    error: { code: 'rate_limit_exceeded', type: 'rate_limit_error', param: null },
  });
  return Number(response.headers.get('retry-after'));
}

describe('requests a minute', () => {
  test('are told with every answer, and beyond them comes 429', async () => {
    await start({ requests_per_minute: 2 });
    const first = await gateway.post(PATH, BODY, headers);
    expect(first.status).toBe(200);
    expect(limitsOf(first)).toEqual({
      'limit-requests': '2',
      'remaining-requests': '1',
      'reset-requests': expect.stringMatching(/^(30|2\d)s$/) as string,
    });
    // A request that is wrong is one too.
    expect((await gateway.post(PATH, 'no JSON', headers)).status).toBe(400);
    const refused = await gateway.post(PATH, BODY, headers);
    expect(limitsOf(refused)['remaining-requests']).toBe('0');
    const seconds = await expectRefused(refused);
    expect(seconds).toBeGreaterThan(20);
    expect(seconds).toBeLessThanOrEqual(30);
    expect(gateway.backend.requests).toHaveLength(1);
  });

  test('are not those that ask what there is', async () => {
    await start({ requests_per_minute: 1 });
    for (let turn = 0; turn < 5; turn += 1) {
      const response = await fetch(`${gateway.url}/v1/models`, { headers });
      expect([response.status, limitsOf(response)['remaining-requests']]).toEqual([200, '1']);
    }
  });

  test('are refused before their body is read', async () => {
    await start({ requests_per_minute: 1 });
    await gateway.post(PATH, BODY, headers);
    await expectRefused(await gateway.post(PATH, 'no JSON', headers));
    await expectRefused(await gateway.post('/tokenize', 'x'.repeat(2 << 20), headers));
  });

  test("come again by OpenAI's client, when it has waited as it was told", async () => {
    await start({ requests_per_minute: 60 });
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: KEY, maxRetries: 2 });
    gateway.keys!.find(KEY)!.begin();
    for (let taken = 1; taken < 60; taken += 1) gateway.keys!.find(KEY)!.begin();
    const { choices } = await client.completions.create({ model: 'tester', ...BODY });
    expect(choices[0]!.text).toBe('ok');
  });
});

describe('tokens a minute', () => {
  test('are those of prompt and answer, of which the most is set aside first', async () => {
    await start({ tokens_per_minute: 600 });
    const response = await gateway.post(PATH, { ...BODY, n: 2 }, headers);
    // Five of the prompt, and four of each choice.
    expect(limitsOf(response)).toMatchObject({ 'limit-tokens': '600', 'remaining-tokens': '587' });
    const { usage } = (await response.json()) as { usage: { total_tokens: number } };
    expect(usage.total_tokens).toBe(11);
    expect([589, 590]).toContain(await left());
  });

  test('beyond them are refused, until enough have come back', async () => {
    await start({ tokens_per_minute: 10 });
    expect((await gateway.post(PATH, BODY, headers)).status).toBe(200);
    const seconds = await expectRefused(await gateway.post(PATH, BODY, headers));
    expect(seconds).toBeGreaterThanOrEqual(20);
    expect(gateway.backend.requests).toHaveLength(1);
  });

  test('of a prompt that is longer than a minute has will never come', async () => {
    await start({ tokens_per_minute: 3 });
    const response = await gateway.post(PATH, BODY, headers);
    expect([response.status, response.headers.get('x-should-retry')]).toEqual([429, 'false']);
    expect(response.headers.get('retry-after')).toBeNull();
  });

  test('let a chat have the whole context where it names no maximum', async () => {
    await start({ tokens_per_minute: 50 }, { contextLength: 200 });
    const messages = [{ role: 'user', content: 'Hello' }];
    expect((await gateway.post('/v1/chat/completions', { messages }, headers)).status).toBe(200);
  });

  test('are paid by whoever goes away in the midst, and not for what never ran', async () => {
    await start({ tokens_per_minute: 100 });
    gateway.backend.script = stuckAfter(chars('abc'));
    const leave = new AbortController();
    const response = await fetch(gateway.url + PATH, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ ...BODY, max_tokens: 90, stream: true }),
      signal: leave.signal,
    });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ''; !text.includes('"c"');) text += (await reader.read()).value ?? '';
    expect(await left()).toBeLessThan(20);
    leave.abort();
    await reader.closed.catch(() => undefined);
    await eventually('a settled account', async () => (await left()) > 80);
    expect(await left()).toBeLessThanOrEqual(96);

    const before = await left();
    gateway.backend.refusal = new ServingError('stage_unavailable', 'no stage-1');
    expect((await gateway.post(PATH, BODY, headers)).status).toBe(503);
    expect(await left()).toBeGreaterThanOrEqual(before);
  });

  test('are given back to whom admission refuses', async () => {
    await start({ tokens_per_minute: 1_000 }, { admission: { maxRunning: 1, maxWaiting: 0 } });
    const response = await gateway.post(PATH, { ...BODY, n: 2 }, headers);
    expect(response.status).toBe(400);
    expect(await left()).toBe(1_000);
  });
});

describe('concurrency', () => {
  test('is counted until the answer is over, also of those who go away', async () => {
    await start({ concurrency: 2 });
    gateway.backend.script = stuckAfter(chars('a'));
    const leave = new AbortController();
    const ask = (): Promise<Response> =>
      fetch(gateway.url + PATH, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ ...BODY, stream: true }),
        signal: leave.signal,
      });
    await Promise.all([ask(), ask()]);
    expect(await expectRefused(await ask())).toBeGreaterThanOrEqual(1);
    leave.abort();
    gateway.backend.script = tokensOf(say('ok'));
    await eventually('room', async () => (await gateway.post(PATH, BODY, headers)).status === 200);
    // One after the other there is always room.
    for (let turn = 0; turn < 20; turn += 1)
      expect((await gateway.post(PATH, BODY, headers)).status).toBe(200);
  });
});

describe('priority', () => {
  test('lets the more urgent of those that wait be next', async () => {
    gateway = await startTestGateway({ admission: { maxRunning: 1, maxWaiting: 8 } });
    const leave = new AbortController();
    gateway.backend.script = stuckAfter([]);
    const holding = gateway.client.completions
      .create({ model: 'tester', ...BODY }, { signal: leave.signal })
      .catch(() => undefined);
    await eventually('a request that runs', () => gateway.admission.running === 1);
    const waiting: Promise<Response>[] = [];
    for (const [prompt, priority] of [
      ['first', 0],
      ['late', 5],
      ['second', undefined],
      ['urgent', -1],
    ] as const) {
      waiting.push(gateway.post(PATH, { ...BODY, prompt, priority }));
      await eventually('its place in the queue', () => gateway.admission.waiting === waiting.length);
    }
    gateway.backend.script = tokensOf(say('ok'));
    leave.abort();
    await Promise.all([...waiting, holding]);
    const order = gateway.backend.requests
      .slice(1)
      .map(({ prompt }) => String.fromCharCode(...prompt.slice(1)));
    expect(order).toEqual(['urgent', 'first', 'second', 'late']);
  });
});
