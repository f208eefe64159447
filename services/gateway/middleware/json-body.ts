import express, { type RequestHandler } from 'express';
import { ServingError } from '../../lib/errors/serving-error.js';

/** Parses JSON bodies of up to `limit` bytes. The rest of a larger one is read and dropped, never kept. */
export function jsonBody(limit: number): RequestHandler {
  const parse: RequestHandler = express.json({ limit });
  return (request, response, next) =>
    parse(request, response, (error?: unknown) => {
      if (error === undefined) next();
      else next(toServingError(error as Error & { type?: string }, limit));
    });
}

function toServingError(error: Error & { type?: string }, limit: number): ServingError {
  if (error.type === 'entity.too.large') {
    return new ServingError('request_too_large', `the body is larger than ${limit} bytes`, { cause: error });
  }
  return new ServingError('invalid_json', error.message, { cause: error });
}
