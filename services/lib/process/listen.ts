import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ServingError } from '../errors/serving-error.js';

export interface Listening {
  /** The one asked for, or the free one that was found for 0. */
  readonly port: number;
  /** Takes no new connections; resolves when the running requests have been answered. */
  finish(): Promise<void>;
  /** Ends what is still connected, too. */
  close(): Promise<void>;
}

/** Listens on `host:port`. Throws `port_in_use` when somebody else does. */
export async function listen(server: Server, host: string, port: number): Promise<Listening> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(ServingError.from(error)));
    server.listen(port, host, resolve);
  });
  const finish = (): Promise<void> =>
    new Promise((resolve) => {
      // Who keeps a connection busy would keep it for ever.
      server.prependListener('request', (_request, response) => {
        response.setHeader('connection', 'close');
      });
      // Called again once it has stopped, it answers with an error, which is as good.
      server.close(() => resolve());
      server.closeIdleConnections();
    });
  return {
    port: (server.address() as AddressInfo).port,
    finish,
    close: async () => {
      const finished = finish();
      server.closeAllConnections();
      await finished;
    },
  };
}
