import type { ErrorRequestHandler } from 'express';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { Gateway } from '../gateway.js';

/** Counts what goes wrong with a request by its error code, and hands it on. */
export function countFailures({ metrics }: Pick<Gateway, 'metrics'>): ErrorRequestHandler {
  return (reason: unknown, _request, response, next) => {
    const code = response.destroyed ? 'client_disconnected' : ServingError.from(reason).code;
    metrics.failure.inc({ reason: code });
    next(reason);
  };
}
