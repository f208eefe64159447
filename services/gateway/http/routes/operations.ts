import type { RequestHandler } from 'express';
import { ServingError } from '../../../lib/errors/serving-error.js';
import { VERSION } from '../../../lib/process/version.js';
import { PROTOCOL_VERSION } from '../../../lib/wire/codec.js';
import type { Gateway } from '../gateway.js';
import { dialectOf } from '../middleware/dialects.js';
import { requestIdOf } from '../middleware/request-id.js';
import { servingAsked } from '../serving-of.js';
import { LONGEST_WINDOW } from '../../report/round-log.js';

/** Probes come often; a route is usually whole again within this. */
const RETRY_AFTER_SECONDS = 1;

/** Seconds of a report whose window nobody has named. */
const DEFAULT_WINDOW = 60;

/** `GET /health`: the process lives. Whether it can serve is what `/ready` tells. */
export const health: RequestHandler = (_request, response) => void response.json({ status: 'ok' });

/**
 * `GET /ready`: 200 once a whole route exists to some model and nothing drains, else 503 with the reason. It is an answer,
 * not a failure: nothing is logged. Links outlive the registry, so one that cannot be reached is a warning as long as
 * there is a route: 503 would take a mesh that serves off its Service, every gateway at once. So would it for a model
 * without a route take the others; `?model=` asks for one.
 */
export function ready({ models }: Gateway): RequestHandler {
  return (request, response) => {
    const asked = request.query.model === undefined ? models.all : [servingAsked(models, request.query)];
    const reasons = asked.map(({ backend }) => backend.notReadyReason());
    if (reasons.includes(null)) {
      const troubles = asked.flatMap(({ backend }, index) => reasons[index] ?? backend.warnings());
      const warnings = [...new Set(troubles)];
      response.json({ status: 'ready', ...(warnings.length > 0 && { warnings }) });
      return;
    }
    const error = new ServingError('stage_unavailable', [...new Set(reasons)].join('; '), { hint: '' });
    const body = dialectOf(response).errorBody(error, requestIdOf(response));
    response.status(503).set('retry-after', String(RETRY_AFTER_SECONDS)).json(body);
  };
}

/** `GET /version`, of Layermesh and of what its processes speak with each other. */
export const version: RequestHandler = (_request, response) =>
  void response.json({ version: VERSION, protocol: PROTOCOL_VERSION });

/** `GET /topology?model=…`: the stages and their replicas, as the gateway sees them now. */
export function topology({ models }: Gateway): RequestHandler {
  return (request, response) => {
    const { backend } = servingAsked(models, request.query);
    const ids = models.all.map(({ model }) => model.id);
    response.json({ ...backend.topology(), ...(ids.length > 1 && { models: ids }) });
  };
}

/** `GET /report?window=60&model=…`: where the time of the last so many seconds went, and what would help. */
export function report({ models }: Gateway): RequestHandler {
  return (request, response) => {
    const { reporter } = servingAsked(models, request.query);
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
