import { Agent, createServer, get, type IncomingMessage } from 'node:http';
import { listen } from '../../../services/lib/process/listen.js';

/** A response without its body, which is dropped. */
const ask = (port: number, agent: Agent): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', agent }, (response) => {
      response.resume().on('end', () => resolve(response));
    }).on('error', reject);
  });

test('a server that finishes answers what a busy connection asks, and then ends it', async () => {
  const server = createServer((_request, response) => response.end('well'));
  const listening = await listen(server, '127.0.0.1', 0);
  // One connection, with the next request waiting whenever one is answered.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  expect((await ask(listening.port, agent)).headers.connection).toBe('keep-alive');
  const asked = [ask(listening.port, agent), ask(listening.port, agent)];
  const finished = listening.finish();
  const [first] = await Promise.allSettled(asked);
  expect(first).toMatchObject({ value: { statusCode: 200, headers: { connection: 'close' } } });
  await finished;
  agent.destroy();
  await listening.close();
});
