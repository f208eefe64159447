import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests that a connection may send ahead of the answer to an earlier one. */
const MAX_AHEAD = 16;

/**
 * Hands on the requests of a connection one at a time, each when the one before has been answered. A response that is
 * queued behind another has no socket yet, so it would never learn that its client has gone; one that is handed on always does:
 * its `close` comes. Whoever sends too many ahead is cut off.
 */
export function inTurn(handle: RequestListener): RequestListener {
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
