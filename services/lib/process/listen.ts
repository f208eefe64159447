import {
  createServer,
  type RequestListener,
  type IncomingMessage,
  type ServerResponse,
  type Server,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { ServingError } from '../errors/serving-error.js';

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

/** Requests that a connection may send ahead of the answer to an earlier one. */
const MAX_AHEAD = 16;

/**
 * Hands on the requests of a connection one at a time, each when the one before has been answered. A response that is
 * queued behind another has no socket yet, so it would never learn that its client has gone; one that is handed on always does:
 * its `close` comes. Whoever sends too many ahead is cut off.
 */
function inTurn(handle: RequestListener): RequestListener {
  const waiting = new WeakMap<Socket, [IncomingMessage, ServerResponse][]>();

  const start = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request;
    response.once('close', () => {
      const next = waiting.get(socket)?.shift();
      // Without a socket its turn never comes: the connection ended with the answer before. Of one whose sending half
      // is closed body-parser takes every request for read, so only the first is answered.
      if (next !== undefined && next[1].socket !== null && !socket.readableEnded) start(...next);
      else waiting.delete(socket);
      if (next !== undefined && socket.readableEnded) socket.destroySoon();
    });
    handle(request, response);
  };

  return (request, response) => {
    const ahead = waiting.get(request.socket);
    if (ahead === undefined) {
      waiting.set(request.socket, []);
      start(request, response);
    } else if (ahead.length < MAX_AHEAD) {
      ahead.push([request, response]);
    } else {
      request.socket.destroy();
    }
  };
}

/** What a client that is owed something must take within `stallMs`, bytes. */
const MIN_TAKEN = 64 << 10;

interface Progress {
  /** Bytes that had been taken then. */
  readonly taken: number;
  readonly at: number;
}

/**
 * Cuts off every client that has been owed bytes for `stallMs` and took less than 64 KiB meanwhile: nothing at all, or a byte
 * now and then, which to a socket's own timeout is progress.
 */
function cutOffSlowReaders(server: Server, stallMs: number): void {
  const connections = new Map<Socket, Progress>();
  const look = (): void => {
    const at = performance.now();
    for (const [socket, last] of connections) {
      const taken = takenOf(socket);
      if (socket.writableLength === 0 || taken - last.taken >= MIN_TAKEN)
        connections.set(socket, { taken, at });
      else if (at - last.at >= stallMs) socket.destroy();
    }
  };
  server.on('connection', (socket: Socket) => {
    connections.set(socket, { taken: 0, at: performance.now() });
    socket.once('close', () => connections.delete(socket));
  });
  const timer = setInterval(look, stallMs / 4).unref();
  server.once('close', () => clearInterval(timer));
}

/**
 * Bytes that the system has taken for the client. Node tells it of whole writes only, which may be megabytes; its handle, which
 * its own timeouts look at, of each byte.
 */
function takenOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as {
    _handle: { readonly bytesWritten: number; readonly writeQueueSize: number } | null;
  };
  return handle === null ? 0 : handle.bytesWritten - handle.writeQueueSize;
}
