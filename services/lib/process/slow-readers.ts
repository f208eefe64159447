import type { Server } from 'node:http';
import type { Socket } from 'node:net';

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
export function cutOffSlowReaders(server: Server, stallMs: number): void {
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
