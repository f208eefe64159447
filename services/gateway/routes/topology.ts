import type { RequestHandler } from 'express';
import type { Gateway } from '../gateway.js';

/** `GET /topology`: the stages and their replicas, as the gateway sees them now. */
export function topology({ backend }: Gateway): RequestHandler {
  return (_request, response) => void response.json(backend.topology());
}
