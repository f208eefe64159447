import { eventually } from '../../../support/eventually.js';
import { stuckAfter, tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

interface Summary {
  readonly id: string;
  readonly state: string;
  readonly output_tokens: number;
  readonly error: string | null;
}

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startTestGateway();
});
afterEach(() => gateway.close());

const get = async (path: string): Promise<{ status: number; body: Record<string, unknown> }> => {
  const response = await fetch(gateway.url + path);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};
const requests = async (): Promise<Summary[]> => (await get('/requests')).body['requests'] as Summary[];
const ask = (id: string, more: object = {}): Promise<Response> =>
  gateway.post(
    '/v1/completions',
    { model: 'default', prompt: 'secret words', ...more },
    { 'x-request-id': id },
  );

describe('/requests', () => {
  it('has figures of what was answered and of what failed, and nothing that was said', async () => {
    gateway.backend.script = tokensOf([104, 105]);
    await (await ask('one', { max_tokens: 2 })).text();
    gateway.backend.refusal = new Error('boom');
    await (await ask('two')).text();
    const all = await eventually('both are over', async () => {
      const found = await requests();
      return found.length === 2 && found.every(({ state }) => state !== 'running') ? found : null;
    });
    expect(all).toMatchObject([
      { id: 'two', state: 'failed', error: 'internal', prompt_tokens: 13, output_tokens: 0 },
      {
        id: 'one',
        state: 'done',
        error: null,
        output_tokens: 2,
        prompt_tokens: 13,
        operation: 'text_completion',
      },
    ]);
    const { body } = await get('/requests/one');
    expect(body).toMatchObject({ id: 'one', prompt: null, sequences: [{ rounds: [] }] });
    expect(JSON.stringify([all, body])).not.toContain('secret');
  });

  it('has what runs, and tells an answer whose client has gone', async () => {
    gateway.backend.script = stuckAfter([104]);
    const controller = new AbortController();
    const response = await fetch(`${gateway.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': 'gone' },
      body: JSON.stringify({ model: 'default', prompt: 'x', stream: true }),
      signal: controller.signal,
    });
    expect(await requests()).toMatchObject([{ id: 'gone', state: 'running', prompt_tokens: 2 }]);
    void response.text().catch(() => undefined);
    controller.abort();
    await eventually('it is told', async () => (await requests())[0]?.state === 'abandoned');
  });

  it('keeps the last 128, and says of another that it is not kept', async () => {
    gateway.backend.script = tokensOf([104]);
    for (let number = 0; number < 140; number++) await (await ask(`r${number}`, { max_tokens: 1 })).text();
    await eventually('all are over', async () => (await requests()).every(({ state }) => state === 'done'));
    expect((await requests()).length).toBe(128);
    expect(await get('/requests/r0')).toMatchObject({
      status: 404,
      body: { error: { code: 'request_not_found' } },
    });
    expect((await get('/requests/r139')).status).toBe(200);
  });

  it('gives the timings that the client was told', async () => {
    gateway.backend.script = tokensOf([104]);
    const response = await gateway.post(
      '/v1/completions',
      { model: 'default', prompt: 'x', max_tokens: 1 },
      { 'x-request-id': 'timed', 'x-layermesh-timing': 'true' },
    );
    const { timings } = (await response.json()) as { timings: object };
    await eventually('it is over', async () => (await requests())[0]?.state === 'done');
    expect((await get('/requests/timed')).body['timings']).toEqual(timings);
  });
});

describe('/topology/events', () => {
  it('streams the state at once, and ends with the gateway', async () => {
    const response = await fetch(`${gateway.url}/topology/events`);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('event: report')) text += (await reader.read()).value ?? '';
    expect(text).toMatch(/^event: reset\ndata: \{\}\n\nevent: state\ndata: \{"at":\d+,"gateway":"gateway-1"/);
    gateway.watch.close();
    while (!(await reader.read()).done);
  });

  it('lets go of a client that has gone', async () => {
    const controller = new AbortController();
    await fetch(`${gateway.url}/topology/events`, { signal: controller.signal });
    expect(gateway.watch.viewers).toBe(1);
    controller.abort();
    await eventually('it is let go', () => gateway.watch.viewers === 0);
  });

  it('has 128 of 200 that come, and room again when they have gone', async () => {
    const controller = new AbortController();
    const open = (): Promise<Response> =>
      fetch(`${gateway.url}/topology/events`, { signal: controller.signal });
    const answers = await Promise.all(Array.from({ length: 200 }, open));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(72);
    expect(gateway.watch.viewers).toBe(128);
    expect(await refused[0]!.json()).toMatchObject({ error: { code: 'too_many_requests' } });
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
    controller.abort();
    await eventually('all are let go', () => gateway.watch.viewers === 0);
    expect((await fetch(`${gateway.url}/topology/events`)).status).toBe(200);
  });

  it('cuts off who does not read, and nobody else', async () => {
    const slow = await fetch(`${gateway.url}/topology/events`);
    const reader = (await fetch(`${gateway.url}/topology/events`)).body!.getReader();
    let over = false;
    const reading = (async () => {
      while (!over) over = (await reader.read()).done;
    })();
    // The machine's own buffers are full before the gateway owes anything.
    await eventually('the slow one is cut off', () => {
      for (let looks = 0; looks < 200; looks++) gateway.watch.look();
      return gateway.watch.viewers === 1;
    });
    expect(over).toBe(false);
    await expect(slow.text()).rejects.toThrow();
    gateway.watch.close();
    await reading;
  });
});

test('/load has the points of the last hour', async () => {
  expect(await get('/load')).toEqual({ status: 200, body: { step_s: 5, points: [] } });
});
