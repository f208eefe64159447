import { eventually } from '../../../support/eventually.js';
import { RawClient } from '../../../support/raw-client.js';
import { say } from '../byte-text.js';
import { stuckAfter, tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway, type TestGatewayOptions } from '../test-gateway.js';

const CHAT = '/v1/chat/completions';
const body = { messages: [{ role: 'user', content: 'Hello' }], max_tokens: 100 };

describe('a connection', () => {
  let gateway: TestGateway;
  const clients: RawClient[] = [];
  const start = async (options?: TestGatewayOptions): Promise<void> => {
    gateway = await startTestGateway(options);
  };
  const connect = async (): Promise<RawClient> => {
    const client = await RawClient.connect(Number(new URL(gateway.url).port));
    clients.push(client);
    return client;
  };
  const nothingIsLeft = (): Promise<boolean> =>
    eventually(
      'nothing is left',
      () => gateway.backend.open === 0 && gateway.admission.running === 0 && gateway.admission.waiting === 0,
    );
  afterEach(async () => {
    for (const client of clients.splice(0)) client.socket.destroy();
    await nothingIsLeft();
    // Every socket has been closed: the listener's end waits for them.
    await gateway.close();
  });

  describe.each([
    ['streaming', true],
    ['whole', false],
  ])('that sends %s requests ahead', (_kind, stream) => {
    test.each([
      ['ends', (client: RawClient) => client.halfClose().socket.destroySoon()],
      ['is reset', (client: RawClient) => client.socket.resetAndDestroy()],
    ])('and %s leaves nothing behind', async (_how, leave) => {
      await start();
      gateway.backend.script = stuckAfter(Buffer.from('begun'));
      const client = await connect();
      for (let sent = 0; sent < 10; sent++) client.post(CHAT, { ...body, stream });
      await eventually('the first runs', () => gateway.backend.open === 1);
      leave(client);
      await nothingIsLeft();
      expect(gateway.backend.requests).toHaveLength(1);
      expect(await gateway.metric('layermesh_request_failure_total{reason="client_disconnected"}')).toBe(1);
    });

    test('gets its answers in their order, one running at a time', async () => {
      await start({ admission: { maxRunning: 1, maxWaiting: 0 } });
      gateway.backend.script = tokensOf(say('well'));
      const client = await connect();
      for (let sent = 0; sent < 10; sent++) client.post(CHAT, { ...body, stream });
      client.get('/health');
      await eventually('all are answered', () => client.statuses.length === 11);
      expect(client.statuses).toEqual(Array(11).fill(200));
      expect(client.received).toMatch(/\{"status":"ok"\}$/);
    });

    test('without end is cut off', async () => {
      await start();
      gateway.backend.script = stuckAfter(Buffer.from('begun'));
      const client = await connect();
      for (let sent = 0; sent < 40; sent++) client.post(CHAT, { ...body, stream });
      await eventually('it is cut off', () => client.closed);
      await nothingIsLeft();
      expect(gateway.backend.requests.length).toBeLessThanOrEqual(1);
    });

    test('and part of a body that never ends leaves nothing behind once the time to send is over', async () => {
      await start({ connections: { receiveMs: 200 } });
      gateway.backend.script = stuckAfter([]);
      const client = await connect();
      client.post(CHAT, { ...body, stream });
      // More than is read ahead, so that not even the end of the connection can be seen.
      client.send(
        `POST ${CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n${'x'.repeat(500_000)}`,
      );
      await eventually('the first runs', () => gateway.backend.open === 1);
      client.socket.destroy();
      await nothingIsLeft();
      expect(gateway.backend.requests).toHaveLength(1);
    });
  });

  test.each([true, false])('whose sending half is closed gets its answer (stream %p)', async (stream) => {
    await start();
    let go: () => void;
    const going = new Promise<void>((resolve) => (go = resolve));
    gateway.backend.script = async function* () {
      await going;
      yield* say('well');
    };
    const client = await connect();
    client
      .post(CHAT, { ...body, stream })
      .post(CHAT, { ...body, stream })
      .halfClose();
    await eventually('it is asked whether it is there', () =>
      /HTTP\/1.1 100 |\n: keep-alive\n\n/.test(client.received),
    );
    go!();
    await eventually('it is answered and closed', () => client.closed);
    // What it sent ahead is for it to send again.
    expect(client.statuses).toEqual([200]);
    expect(client.received).toMatch(stream ? /data: \[DONE\]/ : /"content":"well"/);
  });

  test('whose sending half is closed while it is asked for a body, or for less than a whole one, is closed', async () => {
    await start();
    const [expecting, short] = [await connect(), await connect()];
    expecting.send(
      `POST ${CHAT} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n`,
    );
    await eventually('it is asked for', () => expecting.received.startsWith('HTTP/1.1 100 Continue'));
    expecting.halfClose();
    short.send(`POST ${CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{`).halfClose();
    await eventually('both are closed', () => expecting.closed && short.closed);
  });

  test.each([
    [CHAT, 'x-layermesh-timing: true\r\n', /data: \[DONE\]\n\n$/],
    ['/api/chat', '', /"done":true,[^\n]*\}\n$/],
  ])('of HTTP/1.0 gets the stream of %s, without its trailer', async (path, headers, end) => {
    await start();
    gateway.backend.script = tokensOf(say('well'));
    const client = await connect();
    const json = JSON.stringify({ ...body, stream: true });
    client.send(
      `POST ${path} HTTP/1.0\r\nhost: localhost\r\ncontent-type: application/json\r\n${headers}` +
        `content-length: ${json.length}\r\n\r\n${json}`,
    );
    await eventually('it is answered and closed', () => client.closed);
    expect(client.statuses).toEqual([200]);
    expect(client.received).not.toMatch(/^(trailer|transfer-encoding):/im);
    expect(client.received).toMatch(end);
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
  });

  test.each([
    [
      'an upgrade that is not done',
      'GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
      [200],
    ],
    ['HTTP/1.0', 'GET /health HTTP/1.0\r\n\r\n', [200]],
    ['a target in absolute form', 'GET http://x/health HTTP/1.1\r\nhost: localhost\r\n\r\n', [200]],
    ['a tunnel', 'CONNECT x:80 HTTP/1.1\r\nhost: localhost\r\n\r\n', []],
    [
      'an expectation of something else',
      'GET /health HTTP/1.1\r\nhost: localhost\r\nexpect: more\r\n\r\n',
      [417],
    ],
    ['a star', 'OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n', [404]],
    [
      'two lengths',
      'POST /tokenize HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}',
      [400],
    ],
    [
      'a length and chunks',
      'POST /tokenize HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      [400],
    ],
    ['no HTTP', '\x16\x03\x01\x02\x00\x01\x00', [400]],
    ['headers without end', `GET /health HTTP/1.1\r\nx: ${'y'.repeat(1 << 16)}`, [431]],
  ])('that asks for %s is answered and closed', async (_what, text, statuses) => {
    await start();
    const client = await connect();
    client.send(text).halfClose();
    await eventually('it is closed', () => client.closed);
    expect(client.statuses).toEqual(statuses);
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
  });
});
