import { get } from 'node:http';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

const ask = (url: string, host: string): Promise<{ status: number | undefined; body: string }> =>
  new Promise((resolve, reject) => {
    get(`${url}/health`, { headers: { host }, agent: false }, (response) => {
      let body = '';
      response.on('data', (part: Buffer) => (body += part.toString()));
      response.on('end', () => resolve({ status: response.statusCode, body }));
    }).on('error', reject);
  });

describe('a gateway on a loopback address', () => {
  let gateway: TestGateway;
  afterEach(() => gateway.close());

  test.each([
    'localhost',
    'a.localhost:80',
    'LOCALHOST:1',
    '127.0.0.1:8000',
    '127.9.9.9',
    '[::1]:8000',
    'mesh.lan:80',
  ])('answers to Host %s', async (host) => {
    gateway = await startTestGateway({ allowedHosts: ['mesh.lan'] });
    expect((await ask(gateway.url, host)).status).toBe(200);
  });

  test.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evillocalhost',
    '10.0.0.1:8000',
  ])('refuses Host %s', async (host) => {
    gateway = await startTestGateway();
    const { status, body } = await ask(gateway.url, host);
    expect(status).toBe(403);
    expect(JSON.parse(body)).toMatchObject({
      error: { code: 'host_not_allowed', type: 'invalid_request_error' },
    });
  });

  test('answers to any with *', async () => {
    gateway = await startTestGateway({ allowedHosts: ['*'] });
    expect((await ask(gateway.url, 'evil.example')).status).toBe(200);
  });
});
