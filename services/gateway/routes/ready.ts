import type { RequestHandler } from 'express';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { Gateway } from '../gateway.js';

/** `GET /ready`: 200 once a whole route exists and nothing drains, else 503 with the reason. */
export function ready({ backend }: Gateway): RequestHandler {
  return (_request, response) => {
    const reason = backend.notReadyReason();
    if (reason !== null) throw new ServingError('stage_unavailable', reason, { hint: '' });
    response.json({ status: 'ready' });
  };
}
