import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ServingError } from '../errors/serving-error.js';

export interface Listening {
  /** The one asked for, or the free one that was found for 0. */
  readonly port: number;
  /** Stops listening and ends what is still connected. */
  close(): Promise<void>;
}

/** Listens on `host:port`. Throws `port_in_use` when somebody else does. */
export async function listen(server: Server, host: string, port: number): Promise<Listening> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(ServingError.from(error)));
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
