import type { RequestHandler } from 'express';
import { ServingError } from '../../lib/errors/serving-error.js';
import { errorBody } from '../../lib/openai/error-body.js';
import type { Gateway } from '../gateway.js';

/** Probes come often; a route is usually whole again within this. */
const RETRY_AFTER_SECONDS = 1;

/**
 * `GET /ready`: 200 once a whole route exists and nothing drains, else 503 with the reason. It is an answer,
 * not a failure: nothing is logged.
 */
export function ready({ backend }: Gateway): RequestHandler {
  return (_request, response) => {
    const reason = backend.notReadyReason();
    if (reason === null) {
      response.json({ status: 'ready' });
      return;
    }
    const error = new ServingError('stage_unavailable', reason, { hint: '' });
    response.status(503).set('retry-after', String(RETRY_AFTER_SECONDS)).json(errorBody(error));
  };
}
