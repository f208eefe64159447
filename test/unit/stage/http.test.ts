import { Registry } from 'prom-client';
import { listen, type Listening } from '../../../services/lib/process/listen.js';
import { createHttpApp } from '../../../services/stage/readiness.js';

describe("a stage's HTTP server", () => {
  let reason: string | null = null;
  let server: Listening;
  beforeAll(async () => {
    server = await listen(
      createHttpApp(new Registry(), () => reason),
      '127.0.0.1',
      0,
    );
  });
  afterAll(() => server.close());
  const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${server.port}${path}`);

  it('is ready or says why not, and lives either way', async () => {
    expect((await get('/ready')).status).toBe(200);
    reason = 'draining';
    const answer = await get('/ready');
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({ status: 'not ready', reason: 'draining' });
    expect((await get('/health')).status).toBe(200);
  });

  it('has nothing else, and only to be read', async () => {
    expect((await get('/metrics?format=any')).status).toBe(200);
    for (const path of ['/', '/nothing']) expect((await get(path)).status).toBe(404);
    const posted = await fetch(`http://127.0.0.1:${server.port}/health`, { method: 'POST', body: 'x' });
    expect(posted.status).toBe(404);
  });
});
