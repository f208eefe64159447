import { setMaxListeners } from 'node:events';
import type { ServerResponse } from 'node:http';

/** A controller that aborts when the client goes away before it has its whole answer. */
export function abortOnDisconnect(response: ServerResponse): AbortController {
  const controller = new AbortController();
  // Each of a request's choices listens; Node warns of a leak above ten.
  setMaxListeners(0, controller.signal);
  const abort = (): void => {
    if (!response.writableFinished) controller.abort(new Error('the client went away'));
  };
  if (response.destroyed) abort();
  else response.once('close', abort);
  return controller;
}
