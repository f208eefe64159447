import { trace } from '@opentelemetry/api';
import type { TelemetryConfig } from '../config/config.js';
import type { Tracing } from './export-spans.js';
import type { MetricsRegistry } from './metrics.js';
import { SCOPE } from './names.js';

/**
 * Starts to make spans and to export them by OTLP over HTTP, as OpenTelemetry's own variables say (endpoint,
 * headers, sampler, resource attributes); or, where nobody wants them, a tracer that makes none.
 */
export async function startTracing(
  config: TelemetryConfig,
  replica: string,
  registry: MetricsRegistry,
): Promise<Tracing> {
  if (!config.exporting) return { tracer: trace.getTracer(SCOPE), shutdown: () => Promise.resolve() };
  // Who exports nothing need not load what would.
  const { exportSpans } = await import('./export-spans.js');
  return exportSpans(config, replica, registry);
}
