import type { RequestHandler } from 'express';
import type { Gateway } from '../gateway.js';

/** `GET /metrics`, for Prometheus. */
export function metrics({ metrics: { registry } }: Gateway): RequestHandler {
  return async (_request, response) => {
    response.set('content-type', registry.contentType).send(await registry.metrics());
  };
}
