import type { RequestHandler } from 'express';
import { ServingError } from '../../lib/errors/serving-error.js';
import { errorBody } from '../../lib/openai/response-format.js';
import type { Gateway } from '../gateway.js';

/** Probes come often; a route is usually whole again within this. */
const RETRY_AFTER_SECONDS = 1;

/**
 * `GET /ready`: 200 once a whole route exists and nothing drains, else 503 with the reason. It is an answer,
 * not a failure: nothing is logged. Links outlive the registry, so one that can not be reached is a warning as long as
 * there is a route: 503 would take a mesh that serves off its Service, every gateway at once.
 */
export function ready({ backend }: Gateway): RequestHandler {
  return (_request, response) => {
    const reason = backend.notReadyReason();
    if (reason === null) {
      const warnings = backend.warnings();
      response.json({ status: 'ready', ...(warnings.length > 0 && { warnings }) });
      return;
    }
    const error = new ServingError('stage_unavailable', reason, { hint: '' });
    response.status(503).set('retry-after', String(RETRY_AFTER_SECONDS)).json(errorBody(error));
  };
}
