import { setMaxListeners } from 'node:events';
import type { Response } from 'express';
import { dialectOf } from './middleware/dialects.js';

/**
 * When a client that has ended its sending half is asked whether it is still there, ms after that. It takes two: the first
 * makes the machine of one that has gone say so, the second finds it out. Go's client bears no more than five.
 */
const PROBES_MS = [0, 100, 1_000, 10_000, 60_000];

const controllers = new WeakMap<Response, AbortController>();

/** A response's one controller, which aborts when the client goes away before it has its whole answer. */
export function abortOnDisconnect(response: Response): AbortController {
  const known = controllers.get(response);
  if (known !== undefined) return known;
  const controller = new AbortController();
  controllers.set(response, controller);
  // Each of a request's choices listens; Node warns of a leak above ten.
  setMaxListeners(0, controller.signal);
  const abort = (): void => {
    if (!response.writableFinished) controller.abort(new Error('the client went away'));
  };
  if (response.destroyed) {
    abort();
    return controller;
  }
  const stopProbing = probeHalfClosed(response);
  response.once('close', () => {
    stopProbing();
    abort();
  });
  return controller;
}

/**
 * A client that has closed its connection looks like one that only sends no more and waits for its answer, until
 * something is written to it. So something is that means nothing: an interim response or, in a stream, what its dialect has
 * for that.
 */
function probeHalfClosed(response: Response): () => void {
  const { socket, req: request } = response;
  const timers: NodeJS.Timeout[] = [];
  const probe = (): void => {
    if (response.writableEnded) return;
    if (response.headersSent) response.write(dialectOf(response).framing.nothing);
    else if (request.httpVersion !== '1.0') response.writeContinue();
  };
  const begin = (): void => void timers.push(...PROBES_MS.map((ms) => setTimeout(probe, ms).unref()));
  if (socket?.readableEnded === true) begin();
  else socket?.once('end', begin);
  return () => {
    socket?.off('end', begin);
    timers.forEach(clearTimeout);
  };
}
