import OpenAI from 'openai';
import { parseKeyList } from '../../../../services/gateway/keys/key-list.js';
import { eventually } from '../../../support/eventually.js';
import { say } from '../byte-text.js';
import { stuckAfter, tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway, type TestGatewayOptions } from '../test-gateway.js';

const ALICE = 'sk-alice-0123456789';
const BOB = 'sk-bob-0123456789ab';
const OPERATOR = 'op-0123456789';
const KEYS = JSON.stringify([
  { name: 'alice', key: ALICE },
  { name: 'bob', key: BOB, models: ['another'] },
]);
const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });
const PROMPT = { prompt: 'Once', max_tokens: 4 };

let gateway: TestGateway;
afterEach(() => gateway.close());

async function start(options: TestGatewayOptions = {}): Promise<void> {
  gateway = await startTestGateway({ keys: KEYS, operatorKey: OPERATOR, ...options });
  gateway.backend.script = tokensOf(say('ok'));
}

interface Told {
  readonly status: number;
  readonly code?: string;
}

async function ask(path: string, init: RequestInit = {}): Promise<Told & { readonly headers: Headers }> {
  const response = await fetch(gateway.url + path, init);
  const text = await response.text();
  const body = text.startsWith('{') ? (JSON.parse(text) as { error?: { code: string } }) : {};
  const { status, headers } = response;
  return { status, headers, ...(body.error && { code: body.error.code }) };
}

describe('a gateway with keys', () => {
  test.each([
    ['Authorization', bearer(ALICE)],
    ['authorization in small letters', { authorization: `bearer  ${ALICE} ` }],
    ["Anthropic's header", { 'x-api-key': ALICE }],
  ])('takes a key in %s', async (_where, headers) => {
    await start();
    expect((await gateway.post('/v1/completions', PROMPT, headers)).status).toBe(200);
  });

  test.each([
    ['none', {}],
    ['another', bearer(`${ALICE}x`)],
    ['the beginning of one', bearer(ALICE.slice(0, -1))],
    ["the operator's", bearer(OPERATOR)],
    ['one in a user and password', { authorization: `Basic ${btoa(`x:${ALICE}`)}` }],
    ['one without its scheme', { authorization: ALICE }],
    ['a digest', bearer(parseKeyList(ALICE)[0]!.digests[0]!.toString('hex'))],
  ])('answers 401 to %s, before it reads the body', async (_what, headers) => {
    await start();
    const response = await gateway.post('/v1/completions', 'no JSON', headers);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(response.headers.get('x-request-id')).not.toBeNull();
    expect(response.headers.get('traceparent')).toBeNull();
    expect(await response.json()).toEqual({
      error: {
        message: expect.stringMatching(
          /^(the request shows no API key|the API key is not known) \(/,
        ) as string,
        type: 'authentication_error',
        param: null,
        code: 'invalid_api_key',
      },
    });
  });

  test("throws what OpenAI's client knows", async () => {
    await start();
    const client = (apiKey: string): OpenAI =>
      new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 2 });
    const { data } = await client(ALICE).models.list();
    expect(data.map(({ id }) => id)).toEqual(['test/model', 'tester']);
    await expect(client('sk-nobody-0123456789').models.list()).rejects.toBeInstanceOf(
      OpenAI.AuthenticationError,
    );
    await expect(client(BOB).completions.create({ model: 'tester', ...PROMPT })).rejects.toBeInstanceOf(
      OpenAI.PermissionDeniedError,
    );
  });

  const routes = ['/v1/models', '/v1/models/tester', '/V1/Models/', '/tokenize', '/nothing', '/v1/nothing'];
  test.each(routes)('wants one for %s, whether that exists or not', async (route) => {
    await start();
    for (const method of ['GET', 'POST', 'DELETE'])
      expect(await ask(route, { method })).toMatchObject({ status: 401, code: 'invalid_api_key' });
  });

  test('leaves probes and the version open', async () => {
    await start();
    for (const route of ['/health', '/ready', '/version']) expect((await ask(route)).status).toBe(200);
  });

  test.each(['/topology', '/metrics', '/report', '/Metrics/', '//metrics', '/%6detrics'])(
    'shows %s to nobody but the operator',
    async (route) => {
      await start();
      for (const headers of [{}, bearer(ALICE)]) {
        const { status } = await ask(route, { headers });
        // What is not one of these routes after all is no route of a tenant's either.
        expect([401, 404]).toContain(status);
      }
      expect((await ask(route)).status).toBe(401);
    },
  );

  test('shows it to the operator', async () => {
    await start();
    for (const route of ['/topology', '/metrics'])
      expect((await ask(route, { headers: bearer(OPERATOR) })).status).toBe(200);
    expect((await ask('/report', { headers: bearer(OPERATOR) })).code).toBe('nothing_measured');
  });

  test('answers a preflight without one, and lets pages read why they were refused', async () => {
    const origin = 'https://chat.example';
    await start({ corsOrigins: [origin] });
    const asked = await ask('/v1/completions', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    });
    expect(asked.status).toBe(204);
    const refused = await gateway.post('/v1/completions', PROMPT, { origin });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBe(origin);
    expect(refused.headers.get('access-control-expose-headers')).toContain('x-ratelimit-remaining-tokens');
  });

  test('refuses a model that is not the key’s, and lists none', async () => {
    await start();
    const headers = bearer(BOB);
    for (const model of ['test/model', 'tester', 'default', undefined]) {
      const response = await gateway.post('/v1/completions', { ...PROMPT, model }, headers);
      expect([response.status, response.headers.get('x-should-retry')]).toEqual([403, 'false']);
      expect(await response.json()).toMatchObject({
        error: { code: 'model_not_allowed', type: 'permission_error', param: 'model' },
      });
    }
    const unknown = await gateway.post('/v1/completions', { ...PROMPT, model: 'another' }, headers);
    expect(unknown.status).toBe(404);
    expect((await gateway.post('/tokenize', { prompt: 'a' }, headers)).status).toBe(403);
    expect((await ask('/v1/models/tester', { headers })).code).toBe('model_not_allowed');
    const list = await fetch(`${gateway.url}/v1/models`, { headers });
    expect(await list.json()).toEqual({ object: 'list', data: [] });
    expect(gateway.backend.requests).toEqual([]);
  });

  test('keeps what one tenant left in the prefix cache from all others', async () => {
    await start({
      keys: JSON.stringify(['alice', 'bob'].map((name) => ({ name, key: `sk-of-${name}-0123456` }))),
    });
    const tried = ['alice', 'bob'].flatMap((name) =>
      [undefined, 'x', 'tenant:alice', '["tenant:alice",null]'].map((salt) => ({ name, salt })),
    );
    for (const { name, salt } of tried) {
      const body = { ...PROMPT, cache_salt: salt };
      expect((await gateway.post('/v1/completions', body, bearer(`sk-of-${name}-0123456`))).status).toBe(200);
    }
    const salts = gateway.backend.requests.map(({ cacheSalt }) => cacheSalt);
    expect(new Set(salts).size).toBe(tried.length);
    expect(salts).not.toContain(undefined);
  });

  test('loses no request while keys are changed under load', async () => {
    await start({ keys: JSON.stringify([{ name: 'alice', key: ALICE }]) });
    let key = ALICE;
    let isOver = false;
    const statuses: number[] = [];
    /** With which key each client's last request was sent. */
    const used: string[] = [];
    const client = async (_: unknown, number: number): Promise<void> => {
      while (!isOver) {
        used[number] = key;
        const response = await gateway.post('/v1/completions', { ...PROMPT, stream: true }, bearer(key));
        const text = await response.text();
        statuses.push(response.status === 200 && !text.endsWith('data: [DONE]\n\n') ? 0 : response.status);
      }
    };
    const clients = Array.from({ length: 8 }, client);
    for (let turn = 0; turn < 10; turn += 1) {
      const old = key;
      const next = `sk-alice-${String(turn).padStart(10, '0')}`;
      // Both are known while clients go over from one to the other.
      gateway.keys!.replace(parseKeyList(JSON.stringify([{ name: 'alice', key: [old, next] }])));
      key = next;
      await eventually('no request with the old one', () => !used.includes(old));
      gateway.keys!.replace(parseKeyList(JSON.stringify([{ name: 'alice', key: next }])));
      const sent = statuses.length;
      await eventually('answers to the new one', () => statuses.length > sent + 8);
    }
    isOver = true;
    await Promise.all(clients);
    expect(statuses.length).toBeGreaterThan(100);
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    expect((await gateway.post('/v1/completions', PROMPT, bearer(ALICE))).status).toBe(401);
  });

  test('ends nothing that runs when its key is taken away', async () => {
    await start();
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    gateway.backend.script = async function* () {
      yield* Buffer.from('a');
      await released;
      yield* say('b');
    };
    const running = await gateway.post('/v1/completions', { ...PROMPT, stream: true }, bearer(ALICE));
    gateway.keys!.replace([]);
    release();
    const text = await running.text();
    for (const part of ['"a"', '"b"', '[DONE]']) expect(text).toContain(part);
    expect((await gateway.post('/v1/completions', PROMPT, bearer(ALICE))).status).toBe(401);
  });

  test('frees the stages when a client with a key goes away', async () => {
    await start();
    gateway.backend.script = stuckAfter(Buffer.from('a'));
    const leave = new AbortController();
    const response = await fetch(`${gateway.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(ALICE) },
      body: JSON.stringify({ ...PROMPT, stream: true }),
      signal: leave.signal,
    });
    const reader = response.body!.getReader();
    await reader.read();
    expect(gateway.backend.open).toBe(1);
    leave.abort();
    await reader.closed.catch(() => undefined);
    await eventually('free stages', () => gateway.backend.open === 0);
  });
});

describe('a gateway without keys', () => {
  test('is open to everyone, whatever key they send', async () => {
    gateway = await startTestGateway();
    gateway.backend.script = tokensOf(say('ok'));
    for (const headers of [{}, bearer('none'), { 'x-api-key': 'x' }]) {
      const response = await gateway.post('/v1/completions', PROMPT, headers);
      expect(response.status).toBe(200);
      expect([...response.headers.keys()].filter((name) => name.startsWith('x-ratelimit'))).toEqual([]);
    }
    expect((await ask('/metrics')).status).toBe(200);
    expect(gateway.backend.requests[0]!.cacheSalt).toBeUndefined();
  });

  test('may have an operator all the same, and a keyed one none', async () => {
    gateway = await startTestGateway({ operatorKey: OPERATOR });
    expect((await ask('/metrics')).status).toBe(401);
    expect((await ask('/v1/models')).status).toBe(200);
    await gateway.close();
    gateway = await startTestGateway({ keys: KEYS });
    expect((await ask('/metrics')).status).toBe(200);
    expect((await ask('/v1/models')).status).toBe(401);
  });

  test('tells its version', async () => {
    gateway = await startTestGateway();
    const told = (await (await fetch(`${gateway.url}/version`)).json()) as object;
    expect(told).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/) as string,
      protocol: expect.any(Number) as number,
    });
  });
});

describe('a response in the background', () => {
  const ONE = JSON.stringify([{ name: 'alice', key: ALICE, concurrency: 1 }]);
  const begin = () => gateway.post('/v1/responses', { input: 'Hi', background: true }, bearer(ALICE));

  test('counts for its key until it is done', async () => {
    await start({ keys: ONE });
    gateway.backend.script = stuckAfter([72]);
    const first = await begin();
    expect(first.status).toBe(200);
    const { id } = (await first.json()) as { id: string };
    for (let turn = 0; turn < 3; turn++) expect((await begin()).status).toBe(429);
    // What is deleted is not counted, so that it can be ended.
    expect((await ask(`/v1/responses/${id}`, { method: 'DELETE', headers: bearer(ALICE) })).status).toBe(200);
    gateway.backend.script = tokensOf(say('ok'));
    await eventually('a place', async () => (await begin()).status === 200);
    await eventually('another', async () => (await begin()).status === 200);
  });

  test('counts no more where it was refused', async () => {
    await start({ keys: ONE, admission: { maxRunning: 1, maxWaiting: 0 } });
    gateway.backend.script = stuckAfter([72]);
    const other = await gateway.admission.acquire(1, new AbortController().signal);
    for (let turn = 0; turn < 3; turn++) {
      const { code } = await ask('/v1/responses', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...bearer(ALICE) },
        body: JSON.stringify({ input: 'Hi', background: true }),
      });
      expect(code).toBe('too_many_requests');
    }
    const wrong = { input: 'Hi', background: true, previous_response_id: 'resp_none' };
    expect((await gateway.post('/v1/responses', wrong, bearer(ALICE))).status).toBe(404);
    other.release();
    expect((await begin()).status).toBe(200);
  });
});
