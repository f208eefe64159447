import { createServer, type Server } from 'node:http';
import express from 'express';
import type { MetricsRegistry } from '../lib/telemetry/metrics-registry.js';

/** A stage's own HTTP server: `/health` for probes, `/metrics` for Prometheus. */
export function createHttpServer(registry: MetricsRegistry): Server {
  const app = express();
  app.disable('x-powered-by');
  app.get('/health', (_request, response) => {
    response.json({ status: 'ok' });
  });
  app.get('/metrics', async (_request, response) => {
    response.type(registry.contentType).send(await registry.metrics());
  });
  return createServer(app);
}
