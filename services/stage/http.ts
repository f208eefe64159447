import express, { type Express } from 'express';
import { metricsPage, type MetricsRegistry } from '../lib/telemetry/metrics.js';

/**
 * A stage's own HTTP routes: `/health` while the process lives, `/ready` while it takes new sequences (503 with the
 * reason otherwise), `/metrics` for Prometheus.
 */
export function createHttpApp(registry: MetricsRegistry, notReadyReason: () => string | null): Express {
  const app = express();
  app.disable('x-powered-by');
  app.get('/health', (_request, response) => {
    response.json({ status: 'ok' });
  });
  app.get('/ready', (_request, response) => {
    const reason = notReadyReason();
    if (reason === null) response.json({ status: 'ready' });
    else response.status(503).json({ status: 'not ready', reason });
  });
  app.get('/metrics', metricsPage(registry));
  return app;
}
