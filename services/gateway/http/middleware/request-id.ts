import { randomUUID } from 'node:crypto';
import type { RequestHandler, Response } from 'express';

/** Short and printable: what may be echoed into a header and a log line. */
const ACCEPTED = /^[\x21-\x7e]{1,128}$/;

/** Every response carries the caller's `x-request-id`, or a new one. */
export const requestId: RequestHandler = (request, response, next) => {
  const given = request.get('x-request-id');
  response.setHeader('x-request-id', given !== undefined && ACCEPTED.test(given) ? given : randomUUID());
  next();
};

export const requestIdOf = (response: Response): string => response.getHeader('x-request-id') as string;
