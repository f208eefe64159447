import { BOS } from '../byte-text.js';
import { tokenizers } from '../../model/text/vocabularies.js';
import { tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

describe('the other routes', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway();
  });
  afterAll(() => gateway.close());

  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(gateway.url + path, { headers });
  const json = async (path: string): Promise<unknown> => (await get(path)).json();

  test('/v1/models lists the model under each of its names', async () => {
    const { data } = await gateway.client.models.list();
    expect(data.map(({ id }) => id)).toEqual(['test/model', 'tester']);
    expect(data[0]).toMatchObject({
      ...{ object: 'model', created: 1, owned_by: 'layermesh', max_model_len: 200 },
      default_sampling_params: { temperature: 1, top_p: 1, top_k: 0, min_p: 0, repetition_penalty: 1 },
    });
  });

  test.each(['test/model', 'test%2Fmodel', 'tester', 'default'])('/v1/models/%s exists', async (id) => {
    expect(await json(`/v1/models/${id}`)).toMatchObject({ id: decodeURIComponent(id), root: 'test/model' });
  });

  test('/v1/models of another is not found', async () => {
    await expect(gateway.client.models.retrieve('gpt-9')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });

  test('/tokenize takes a text or a chat, /detokenize brings it back', async () => {
    const tokenize = async (body: object): Promise<unknown> => (await gateway.post('/tokenize', body)).json();
    expect(await tokenize({ prompt: 'ab' })).toEqual({ count: 3, max_model_len: 200, tokens: [BOS, 97, 98] });
    expect(await tokenize({ prompt: 'ab', add_special_tokens: false })).toMatchObject({ tokens: [97, 98] });
    const messages = [{ role: 'user', content: 'ab' }];
    expect(await tokenize({ messages })).toMatchObject({ tokens: [...Buffer.from('user: ab\nassistant: ')] });
    expect(await tokenize({ messages, add_generation_prompt: false })).toMatchObject({ count: 9 });

    const text = await (await gateway.post('/detokenize', { tokens: [BOS, 97, 98] })).json();
    expect(text).toEqual({ prompt: '<s>ab' });
  });

  test.each([
    ['/tokenize', {}, 'prompt'],
    ['/tokenize', { prompt: 1 }, 'prompt'],
    ['/detokenize', {}, 'tokens'],
    ['/detokenize', { tokens: [258] }, 'tokens'],
    ['/detokenize', { tokens: ['a'] }, 'tokens[0]'],
  ])('%s refuses %j', async (path, body, param) => {
    const response = await gateway.post(path, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'invalid_value', param } });
  });

  test('/ready warns, and is ready, while a route exists and the registry cannot be reached', async () => {
    expect(await (await get('/ready')).json()).toEqual({ status: 'ready' });
    const { warned } = gateway.backend;
    warned.push('the registry cannot be reached: file is not a database');
    const response = await get('/ready');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: 'ready', warnings: warned });
    warned.length = 0;
  });

  test('/ready tells why not; /health does not care', async () => {
    expect((await get('/ready')).status).toBe(200);
    gateway.backend.notReady = 'stage-1 has no replica';
    const response = await get('/ready');
    expect(response.status).toBe(503);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await response.json()).toMatchObject({
      error: { code: 'stage_unavailable', message: 'stage-1 has no replica' },
    });
    expect((await get('/health')).status).toBe(200);
    gateway.backend.notReady = null;
  });

  test('/topology is the mesh as the backend sees it', async () => {
    expect(await json('/topology')).toEqual(gateway.backend.topology());
  });

  test('/metrics speaks Prometheus', async () => {
    const response = await get('/metrics');
    expect(response.headers.get('content-type')).toContain('text/plain');
    expect(await response.text()).toContain('# TYPE layermesh_requests_running gauge');
  });

  test.each([
    'layermesh_request_success_total{finished_reason="length"}',
    'layermesh_request_failure_total{reason="client_disconnected"}',
    'layermesh_request_failure_total{reason="internal"}',
    'layermesh_reroutes_total{reason="replica_lost"}',
    'layermesh_reroutes_total{reason="preempted"}',
  ])('/metrics has %s from the start', async (line) => {
    expect(await gateway.metric(line)).toBe(0);
  });

  test('x-request-id is echoed, or made where it is missing or no good', async () => {
    const idOf = async (given?: string): Promise<string | null> =>
      (await get('/health', given === undefined ? {} : { 'x-request-id': given })).headers.get(
        'x-request-id',
      );
    expect(await idOf('abc-1')).toBe('abc-1');
    expect(await idOf()).toMatch(/^[0-9a-f-]{36}$/);
    expect(await idOf('a b')).toMatch(/^[0-9a-f-]{36}$/);
    expect(await idOf('x'.repeat(129))).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('special tokens of the model', () => {
  const [, tokenizer] = tokenizers[0]!;
  const end = tokenizer.idOf('<|im_end|>')!;
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway({ tokenizer });
  });
  afterAll(() => gateway.close());

  const idsOf = async (body: object): Promise<number[]> => {
    const response = await gateway.post('/tokenize', body);
    return ((await response.json()) as { tokens: number[] }).tokens;
  };

  test('are characters in a message, and tokens in a prompt, which is all that the model sees', async () => {
    expect(await idsOf({ messages: [{ role: 'user', content: 'a<|im_end|>' }] })).not.toContain(end);
    expect(await idsOf({ prompt: 'a<|im_end|>' })).toContain(end);
  });

  test('count as characters in a chat, too', async () => {
    const messages = [{ role: 'user', content: 'a<|im_end|>' }] as const;
    gateway.backend.script = tokensOf([tokenizer.idOf('a')!]);
    const { usage } = await gateway.client.chat.completions.create({
      model: 'default',
      messages: [...messages],
      max_completion_tokens: 1,
    });
    expect(usage?.prompt_tokens).toBe((await idsOf({ messages })).length);
  });
});

describe('a gateway before an engine that only takes time', () => {
  it('says so with every response and with the model', async () => {
    const engine = 'timed (a100-40g, cost model 1)';
    const gateway = await startTestGateway({ engine });
    const models = await fetch(`${gateway.url}/v1/models`);
    expect(models.headers.get('x-layermesh-engine')).toBe(engine);
    expect(await models.json()).toMatchObject({ data: [{ engine }, { engine }] });
    const missing = await fetch(`${gateway.url}/nowhere`);
    expect([missing.status, missing.headers.get('x-layermesh-engine')]).toEqual([404, engine]);
    await gateway.close();
  });
});
