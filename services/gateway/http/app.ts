import express, { type Express, type RequestHandler } from 'express';
import { metricsPage } from '../../lib/telemetry/metrics.js';
import type { Gateway } from './gateway.js';
import { countFailures, noRoute, respondWithError } from './middleware/errors.js';
import { jsonBody } from './middleware/json-body.js';
import { crossOrigin, knownHost } from './middleware/origins.js';
import { requestId } from './middleware/request-id.js';
import { traceRequests } from './middleware/trace-requests.js';
import { chatCompletions, completions } from './routes/inference.js';
import { consolePage } from './routes/console.js';
import { listModels, retrieveModel } from './routes/models.js';
import { health, ready, report, topology } from './routes/operations.js';
import { detokenize, tokenize } from './routes/text.js';
import { watchRoutes } from './routes/watch.js';

const INFERENCE_ROUTES = ['/v1/chat/completions', '/v1/completions'];

/** The HTTP API, not yet listening. */
export function createApp(gateway: Gateway): Express {
  const app = express().disable('x-powered-by').disable('etag');
  app.use(requestId);
  if (typeof gateway.model.engine === 'string') app.use(engineHeader(gateway.model.engine));
  app.use(knownHost(gateway.host, gateway.allowedHosts));
  if (gateway.corsOrigins.length > 0) app.use(crossOrigin(gateway.corsOrigins));
  const page = gateway.console ? consolePage() : null;
  if (page !== null) app.use(page);
  app.use(watchRoutes(gateway.watch));
  for (const route of INFERENCE_ROUTES) app.use(route, traceRequests(gateway.inferences.tracer, route));
  app.use(jsonBody(gateway.limits.bodyBytes));

  app.post('/v1/chat/completions', chatCompletions(gateway));
  app.post('/v1/completions', completions(gateway));
  app.get('/v1/models', listModels(gateway));
  app.get('/v1/models/*id', retrieveModel(gateway));
  app.post('/tokenize', tokenize(gateway));
  app.post('/detokenize', detokenize(gateway));
  app.get('/health', health);
  app.get('/ready', ready(gateway));
  app.get('/topology', topology(gateway));
  app.get('/report', report(gateway));
  app.get('/metrics', metricsPage(gateway.metrics.registry));

  app.use(noRoute);
  app.use(INFERENCE_ROUTES, countFailures(gateway));
  app.use(respondWithError(gateway));
  return app;
}

/** Every response says that its times are of an engine that only takes time. */
const engineHeader =
  (engine: string): RequestHandler =>
  (_request, response, next) => {
    response.setHeader('x-layermesh-engine', engine);
    next();
  };
