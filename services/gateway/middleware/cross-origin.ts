import cors from 'cors';
import type { RequestHandler } from 'express';

/** What a page of another origin may read beside the body. */
const EXPOSED = [
  'x-request-id',
  'x-layermesh-route',
  'x-layermesh-max-tokens',
  'server-timing',
  'retry-after',
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
