import type { RequestHandler } from 'express';
import { ServingError } from '../../../lib/errors/serving-error.js';
import { VERSION } from '../../../lib/process/version.js';
import { PROTOCOL_VERSION } from '../../../lib/wire/codec.js';
import type { Gateway } from '../gateway.js';
import { dialectOf } from '../middleware/dialects.js';
import { requestIdOf } from '../middleware/request-id.js';
import { LONGEST_WINDOW } from '../../report/round-log.js';

/** Probes come often; a route is usually whole again within this. */
const RETRY_AFTER_SECONDS = 1;

/** Seconds of a report whose window nobody has named. */
const DEFAULT_WINDOW = 60;

/** `GET /health`: the process lives. Whether it can serve is what `/ready` tells. */
export const health: RequestHandler = (_request, response) => void response.json({ status: 'ok' });

/**
 * `GET /ready`: 200 once a whole route exists and nothing drains, else 503 with the reason. It is an answer,
 * not a failure: nothing is logged. Links outlive the registry, so one that cannot be reached is a warning as long as
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
    const body = dialectOf(response).errorBody(error, requestIdOf(response));
    response.status(503).set('retry-after', String(RETRY_AFTER_SECONDS)).json(body);
  };
}

/** `GET /version`, of Layermesh and of what its processes speak with each other. */
export const version: RequestHandler = (_request, response) =>
  void response.json({ version: VERSION, protocol: PROTOCOL_VERSION });

/** `GET /topology`: the stages and their replicas, as the gateway sees them now. */
export function topology({ backend }: Gateway): RequestHandler {
  return (_request, response) => void response.json(backend.topology());
}

/** `GET /report?window=60`: where the time of the last so many seconds went, and what would help. */
export function report({ reporter }: Gateway): RequestHandler {
  return (request, response) => {
    response.json(reporter.report(windowOf(request.query.window)));
  };
}

function windowOf(text: unknown): number {
  if (text === undefined) return DEFAULT_WINDOW;
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= LONGEST_WINDOW) return seconds;
  const problem = `window is not a whole number of seconds from 1 to ${LONGEST_WINDOW}`;
  throw new ServingError('invalid_value', problem, { param: 'window' });
}
