import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export interface ScriptedSse {
  readonly url: string;
  /** Bodies of the requests that came. */
  readonly bodies: Record<string, unknown>[];
  close(): Promise<void>;
}

/** A server on a loopback port that answers each request as the test says. */
export async function scriptedSse(
  answer: (response: ServerResponse, request: IncomingMessage) => void | Promise<void>,
): Promise<ScriptedSse> {
  const bodies: Record<string, unknown>[] = [];
  const server = createServer((request, response) => {
    void json(request).then((body) => {
      bodies.push(body as Record<string, unknown>);
      return answer(response, request);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
