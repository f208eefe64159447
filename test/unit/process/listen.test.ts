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
  let received: () => void;
  let release: () => void;
  const arrived = new Promise<void>((resolve) => (received = resolve));
  const released = new Promise<void>((resolve) => (release = resolve));
  const server = createServer((_request, response) => {
    received();
    void released.then(() => response.end('well'));
  });
  const listening = await listen(server, '127.0.0.1', 0);
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
