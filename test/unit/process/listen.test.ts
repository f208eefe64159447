import { Agent, get, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CONNECTION_LIMITS,
  listen,
  type ConnectionLimits,
  type Listening,
} from '../../../services/lib/process/listen.js';
import { eventually } from '../../support/eventually.js';
import { RawClient } from '../../support/raw-client.js';

/** A response without its body, which is dropped. */
const ask = (port: number, agent: Agent): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', agent }, (response) => {
      response.resume().on('end', () => resolve(response));
    }).on('error', reject);
  });

test('a server that finishes answers what a busy connection asks, and then ends it', async () => {
  let received: () => void;
  let release: () => void;
  const arrived = new Promise<void>((resolve) => (received = resolve));
  const released = new Promise<void>((resolve) => (release = resolve));
  const listening = await listen(
    (_request, response) => {
      received();
      void released.then(() => response.end('well'));
    },
    '127.0.0.1',
    0,
  );
  // One connection, on which a request waits behind the one that runs.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const asked = [ask(listening.port, agent), ask(listening.port, agent)];
  await arrived;
  const finished = listening.finish();
  release!();
  const answers = await Promise.all(asked);
  expect(answers.map(({ headers }) => headers.connection)).toEqual(['keep-alive', 'close']);
  await finished;
  agent.destroy();
  await listening.close();
});

describe('a server', () => {
  let server: Listening;
  afterEach(() => server.close());
  const start = async (limits: Partial<ConnectionLimits>, handle?: RequestListener): Promise<void> => {
    const well: RequestListener = (request, response) => {
      request.resume().once('end', () => response.end('well'));
    };
    server = await listen(handle ?? well, '127.0.0.1', 0, { ...CONNECTION_LIMITS, ...limits });
  };
  const connections = (text: string, count: number): Promise<RawClient[]> =>
    Promise.all(Array.from({ length: count }, async () => (await RawClient.connect(server.port)).send(text)));

  it('closes slow headers, slow bodies and connections that say nothing, and serves others meanwhile', async () => {
    await start({ receiveMs: 500 });
    const groups = await Promise.all([
      connections('GET / HTTP/1.1\r\nhost: localhost\r\n', 200),
      connections('POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n', 200),
      connections('', 50),
    ]);
    const slow = groups.flat();
    const drip = setInterval(() => {
      for (const { socket } of groups[0]) socket.write('x: y\r\n');
      for (const { socket } of groups[1]) socket.write('x');
    }, 50);
    const began = performance.now();
    while (slow.some(({ closed }) => !closed)) {
      expect((await ask(server.port, new Agent())).statusCode).toBe(200);
      expect(performance.now() - began).toBeLessThan(10_000);
    }
    clearInterval(drip);
  });

  it('keeps an idle connection as long as it says, however short the time for a request', async () => {
    await start({ receiveMs: 200, idleMs: 2_000 });
    const client = await RawClient.connect(server.port);
    client.get('/');
    await eventually('it is answered', () => client.statuses.length === 1);
    await delay(1_500);
    client.get('/');
    await eventually('it is answered again', () => client.statuses.length === 2);
    expect(client.received).toContain('Keep-Alive: timeout=2\r\n');
    await eventually('it is closed', () => client.closed);
  });

  it('makes room by closing idle connections when there are too many', async () => {
    await start({ maxConnections: 3 });
    const idle = await connections('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n', 3);
    await eventually('they are answered', () => idle.every(({ statuses }) => statuses.length === 1));
    await eventually('another is served', async () => {
      const client = await RawClient.connect(server.port);
      client.get('/');
      await eventually('it is closed or served', () => client.closed || client.statuses.length === 1);
      return client.statuses.length === 1;
    });
  });

  it.each([0, 1])('cuts off a client that takes %d bytes now and then of what it is owed', async (bytes) => {
    const responses: ServerResponse[] = [];
    await start({ stallMs: 400 }, (_request, response) => {
      responses.push(response);
      response.end(Buffer.alloc(64 << 20));
    });
    const client = await RawClient.connect(server.port);
    client.socket.pause();
    client.get('/');
    const drip = setInterval(() => void client.socket.read(bytes), 20);
    await eventually('it is cut off', () => responses[0]?.destroyed);
    clearInterval(drip);
    client.socket.destroy();
  });

  it('lets a client be that takes its time', async () => {
    const [stallMs, pauses] = [1_000, 10];
    const size = 24 << 20;
    await start({ stallMs }, (_request, response) => void response.end(Buffer.alloc(size)));
    const client = await RawClient.connect(server.port);
    client.get('/');
    const began = performance.now();
    let read = 0;
    client.socket.on('data', (part: Buffer) => {
      // None of its pauses is too long, and all of them together are.
      const isDue = Math.floor((read * pauses) / size) < Math.floor(((read + part.length) * pauses) / size);
      read += part.length;
      if (!isDue) return;
      client.socket.pause();
      setTimeout(() => client.socket.resume(), stallMs / 6);
    });
    await eventually('it has all', () => read > size, 30_000);
    expect(performance.now() - began).toBeGreaterThan(stallMs);
    client.socket.destroy();
  });
});
