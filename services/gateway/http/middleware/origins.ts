import cors from 'cors';
import type { RequestHandler } from 'express';
import { isLoopback } from '../../../lib/config/environment.js';
import { ServingError } from '../../../lib/errors/serving-error.js';

/**
 * Refuses names that are not this machine's: a page in a browser may point its own name at a loopback address, and
 * would read the answers as its own. A gateway that listens elsewhere is reached by names that it cannot know.
 */
export function knownHost(listening: string, allowed: readonly string[]): RequestHandler {
  const names = new Set([listening, ...allowed].map((name) => name.toLowerCase()));
  const any = !isLoopback(listening) || names.has('*');
  return (request, _response, next) => {
    const { host } = request.headers;
    const name = host?.toLowerCase().replace(/:\d*$/, '');
    // HTTP/1.0 sends none; browsers always do.
    if (any || name === undefined || isLoopback(name) || names.has(name)) {
      next();
      return;
    }
    throw new ServingError('host_not_allowed', `Host "${host?.slice(0, 255)}" is not a name of this gateway`);
  };
}

/** What a page of another origin may read beside the body. */
const EXPOSED = [
  'x-request-id',
  'x-layermesh-route',
  'x-layermesh-max-tokens',
  'x-layermesh-engine',
  'server-timing',
  'retry-after',
  'x-should-retry',
  ...['limit', 'remaining', 'reset'].flatMap((what) => [
    `x-ratelimit-${what}-requests`,
    `x-ratelimit-${what}-tokens`,
  ]),
];
const PREFLIGHT_SECONDS = 600;

/** Lets pages of these origins ask from a browser. No cookie is ever accepted, so that no page borrows a user's login. */
export function crossOrigin(origins: readonly string[]): RequestHandler {
  return cors({
    origin: origins.includes('*') ? '*' : [...origins],
    methods: ['GET', 'POST', 'DELETE'],
    exposedHeaders: EXPOSED,
    maxAge: PREFLIGHT_SECONDS,
  });
}
