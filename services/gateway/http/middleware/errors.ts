import type { ErrorRequestHandler, RequestHandler, Response } from 'express';
import { ServingError } from '../../../lib/errors/serving-error.js';
import type { Gateway } from '../gateway.js';
import { askedModel } from './asked-model.js';
import { dialectOf } from './dialects.js';
import { requestIdOf } from './request-id.js';

/** How long a replica or a sidecar usually takes to come back. */
const UNAVAILABLE_RETRY_SECONDS = 5;

/** Behind all routes. */
export const noRoute: RequestHandler = (request) => {
  throw new ServingError('route_not_found', `${request.method} ${request.path} does not exist`);
};

/** Counts what goes wrong with a request by its error code, for its model as far as that is known, and hands it on. */
export function countFailures({ metrics }: Pick<Gateway, 'metrics'>): ErrorRequestHandler {
  return (reason: unknown, _request, response, next) => {
    const code = response.destroyed ? 'client_disconnected' : ServingError.from(reason).code;
    metrics.failure.inc({ model_name: askedModel(response), reason: code });
    next(reason);
  };
}

/**
 * The one place where an error becomes an answer: a body in the route's dialect with its status, or, in a
 * stream that has begun, an event after which it ends.
 */
export function respondWithError({
  admission,
  log,
}: Pick<Gateway, 'admission' | 'log'>): ErrorRequestHandler {
  return (reason: unknown, _request, response, _next) => {
    if (response.destroyed) return;
    const error = toServingError(reason);
    const requestId = requestIdOf(response);
    const dialect = dialectOf(response);
    if (error.kind.http >= 500) {
      log.error({ err: error.cause ?? error, code: error.code, requestId }, error.message);
    }
    // To write to what has ended would be an error that nobody catches.
    if (response.writableEnded) return;
    if (response.headersSent) {
      response.end(dialect.framing.frame(dialect.errorEvent(error, requestId)));
      return;
    }
    if (error.kind.http === 401) response.set('www-authenticate', 'Bearer');
    adviseRetry(response, error, admission.retryAfterSeconds());
    response.status(error.kind.http).json(dialect.errorBody(error, requestId));
  };
}

/** Express meets a path that it cannot decode before any route does. */
function toServingError(reason: unknown): ServingError {
  if (!(reason instanceof URIError)) return ServingError.from(reason);
  return new ServingError('route_not_found', reason.message, { cause: reason });
}

/** Tells OpenAI's client, which retries on its own, whether the same request may succeed later. */
function adviseRetry(response: Response, { kind, retryAfter }: ServingError, busySeconds: number): void {
  const mayPass = (kind.http === 429 || kind.http === 503) && retryAfter !== Infinity;
  response.set('x-should-retry', String(mayPass));
  if (!mayPass) return;
  const seconds = retryAfter ?? (kind.http === 429 ? busySeconds : UNAVAILABLE_RETRY_SECONDS);
  response.set('retry-after', String(Math.max(1, Math.ceil(seconds))));
}
