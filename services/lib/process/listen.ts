import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ServingError } from '../errors/serving-error.js';
import { inTurn } from './in-turn.js';
import { cutOffSlowReaders } from './slow-readers.js';

/** What one connection, and all of them, may take of the server. */
export interface ConnectionLimits {
  /** A request must have come whole within so long, ms; its headers within 10 s of that. */
  readonly receiveMs: number;
  /** A connection is kept so long between two requests, ms. */
  readonly idleMs: number;
  /** A client that takes next to nothing of its answer for so long is cut off, ms. */
  readonly stallMs: number;
  /** More are closed as they come. */
  readonly maxConnections: number;
}

/** Idle connections outlive the minute after which usual proxies let go of theirs: who lets go first must be the client. */
export const CONNECTION_LIMITS: ConnectionLimits = {
  receiveMs: 30_000,
  idleMs: 75_000,
  stallMs: 60_000,
  maxConnections: 1_024,
};

const MAX_HEADERS_MS = 10_000;
/** How often Node looks for requests that have not come whole in time. */
const CHECK_MS = 1_000;
/** Of a server that finishes: enough for a request that is on its way. */
const LAST_IDLE_MS = 1_000;

export interface Listening {
  /** The one asked for, or the free one that was found for 0. */
  readonly port: number;
  /** Takes no new connections; resolves when the running requests have been answered. */
  finish(): Promise<void>;
  /** Ends what is still connected, too. */
  close(): Promise<void>;
}

/**
 * Serves HTTP on `host:port`, one request of a connection at a time, whatever its clients do or leave undone. Throws
 * `port_in_use` when somebody else listens there.
 */
export async function listen(
  handle: RequestListener,
  host: string,
  port: number,
  limits: ConnectionLimits = CONNECTION_LIMITS,
): Promise<Listening> {
  let finishing = false;
  const server = createServer(
    {
      requestTimeout: limits.receiveMs,
      headersTimeout: Math.min(limits.receiveMs, MAX_HEADERS_MS),
      keepAliveTimeout: limits.idleMs,
      connectionsCheckingInterval: Math.min(limits.receiveMs, CHECK_MS),
    },
    inTurn((request, response) => {
      // Who keeps a connection busy would keep it for ever.
      if (finishing) response.setHeader('connection', 'close');
      handle(request, response);
    }),
  );
  // Not in Node's documentation, but as old as its server: who ends its sending half still gets its answer.
  Object.assign(server, { httpAllowHalfOpen: true });
  server.maxConnections = limits.maxConnections;
  server.on('drop', () => server.closeIdleConnections());
  cutOffSlowReaders(server, limits.stallMs);

  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(ServingError.from(error)));
    server.listen(port, host, resolve);
  });
  const finish = (): Promise<void> =>
    new Promise((resolve) => {
      finishing = true;
      server.keepAliveTimeout = LAST_IDLE_MS;
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
