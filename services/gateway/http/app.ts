import express, { type Express, type RequestHandler } from 'express';
import { metricsPage } from '../../lib/telemetry/metrics.js';
import type { Gateway } from './gateway.js';
import { requireOperator, requireTenant } from './middleware/authenticate.js';
import { knowDialect } from './middleware/dialects.js';
import { countFailures, noRoute, respondWithError } from './middleware/errors.js';
import { jsonBody } from './middleware/json-body.js';
import { crossOrigin, knownHost } from './middleware/origins.js';
import { requestId } from './middleware/request-id.js';
import { traceRequests } from './middleware/trace-requests.js';
import { chatCompletions, completions } from './routes/inference.js';
import { consolePage } from './routes/console.js';
import { countTokens, createMessage } from './routes/messages.js';
import { listModels, retrieveModel } from './routes/models.js';
import { ollamaChat, ollamaGenerate, ollamaShow, ollamaTags, ollamaVersion } from './routes/ollama.js';
import { openapi } from './routes/openapi.js';
import { health, ready, report, topology, version } from './routes/operations.js';
import {
  cancelResponse,
  createResponse,
  deleteResponse,
  listInputItems,
  retrieveResponse,
} from './routes/responses.js';
import { detokenize, tokenize } from './routes/text.js';
import { watchRoutes } from './routes/watch.js';

const OPERATOR_ROUTES = ['/topology', '/report', '/metrics', '/requests', '/load', '/results'];
const INFERENCE_ROUTES = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/responses',
  '/v1/messages',
  '/api/chat',
  '/api/generate',
];

/**
 * The HTTP API, not yet listening. What stands before `requireTenant` is open, or the operator's; all below it, known or not,
 * wants a key before anything is read of the request.
 */
export function createApp(gateway: Gateway): Express {
  const app = express().disable('x-powered-by').disable('etag');
  app.use(requestId, knowDialect);
  const engines = new Set(gateway.models.all.flatMap(({ model }) => model.engine ?? []));
  if (engines.size > 0) app.use(engineHeader([...engines].join(', ')));
  app.use(knownHost(gateway.host, gateway.allowedHosts));
  if (gateway.corsOrigins.length > 0) app.use(crossOrigin(gateway.corsOrigins));

  const page = gateway.console ? consolePage() : null;
  if (page !== null) app.use(page);
  app.get('/health', health);
  app.get('/ready', ready(gateway));
  app.get('/version', version);
  app.get('/openapi.json', openapi());
  app.use(OPERATOR_ROUTES, requireOperator(gateway.operatorKey));
  app.get('/topology', topology(gateway));
  app.get('/report', report(gateway));
  app.get('/metrics', metricsPage(gateway.metrics.registry));
  app.use(watchRoutes(gateway));

  app.use(requireTenant(gateway.keys));
  for (const route of INFERENCE_ROUTES) app.use(route, traceRequests(gateway.tracer, route));
  app.use(jsonBody(gateway.limits.bodyBytes));

  app.post('/v1/chat/completions', chatCompletions(gateway));
  app.post('/v1/completions', completions(gateway));
  app.post('/v1/responses', createResponse(gateway));
  app.get('/v1/responses/:id', retrieveResponse(gateway));
  app.delete('/v1/responses/:id', deleteResponse(gateway));
  app.get('/v1/responses/:id/input_items', listInputItems(gateway));
  app.post('/v1/responses/:id/cancel', cancelResponse(gateway));
  app.post('/v1/messages', createMessage(gateway));
  app.post('/v1/messages/count_tokens', countTokens(gateway));
  app.post('/api/chat', ollamaChat(gateway));
  app.post('/api/generate', ollamaGenerate(gateway));
  app.post('/api/show', ollamaShow(gateway));
  app.get('/api/tags', ollamaTags(gateway));
  app.get('/api/ps', ollamaTags(gateway));
  app.get('/api/version', ollamaVersion);
  app.get('/v1/models', listModels(gateway));
  app.get('/v1/models/*id', retrieveModel(gateway));
  app.post('/tokenize', tokenize(gateway));
  app.post('/detokenize', detokenize(gateway));

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
