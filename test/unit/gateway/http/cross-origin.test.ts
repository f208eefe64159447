import { startTestGateway, type TestGateway } from '../test-gateway.js';

const PAGE = 'https://chat.example';

describe('a page of another origin', () => {
  let gateway: TestGateway;
  afterEach(() => gateway.close());

  const preflight = (origin = PAGE): Promise<Response> =>
    fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });

  test('gets no permission by default', async () => {
    gateway = await startTestGateway();
    const response = await preflight();
    expect(response.status).toBe(404);
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });

  test('may ask where it is listed, and read what the clients read', async () => {
    gateway = await startTestGateway({ corsOrigins: [PAGE, 'http://localhost:3000'] });
    const asked = await preflight();
    expect(asked.status).toBe(204);
    expect(asked.headers.get('access-control-allow-origin')).toBe(PAGE);
    expect(asked.headers.get('access-control-allow-methods')).toContain('POST');
    expect(asked.headers.get('access-control-allow-headers')).toBe('authorization,content-type');
    expect(asked.headers.get('access-control-allow-credentials')).toBeNull();
    expect(asked.headers.get('vary')).toMatch(/origin/i);

    const answered = await fetch(`${gateway.url}/v1/models`, { headers: { origin: PAGE } });
    expect(answered.headers.get('access-control-allow-origin')).toBe(PAGE);
    expect(answered.headers.get('access-control-expose-headers')).toContain('x-request-id');
  });

  test('may read errors too', async () => {
    gateway = await startTestGateway({ corsOrigins: [PAGE] });
    const response = await gateway.post('/v1/completions', 'no JSON', { origin: PAGE });
    expect(response.status).toBe(400);
    expect(response.headers.get('access-control-allow-origin')).toBe(PAGE);
  });

  test.each(['https://evil.example', 'https://chat.example.evil.example', 'http://chat.example', 'null'])(
    'gets no permission as %s',
    async (origin) => {
      gateway = await startTestGateway({ corsOrigins: [PAGE] });
      expect((await preflight(origin)).headers.get('access-control-allow-origin')).toBeNull();
    },
  );

  test('may be any with *', async () => {
    gateway = await startTestGateway({ corsOrigins: ['*'] });
    expect((await preflight('https://other.example')).headers.get('access-control-allow-origin')).toBe('*');
  });
});
