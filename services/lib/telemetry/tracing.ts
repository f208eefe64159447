import { trace, type Tracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import {
  ATTR_SERVICE_INSTANCE_ID,
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_NAMESPACE,
} from '@opentelemetry/semantic-conventions';
import { Counter } from 'prom-client';
import type { TelemetryConfig } from '../config/config.js';
import { CountedSpans, type SpanOutcome } from './counted-spans.js';
import type { MetricsRegistry } from './metrics-registry.js';
import { METRICS, SCOPE } from './names.js';

export interface Tracing {
  readonly tracer: Tracer;
  /** Exports what is left, for a few seconds at most. */
  shutdown(): Promise<void>;
}

/** A collector that does not answer must not keep a process from ending. */
const FLUSH_MS = 3_000;

/**
 * Starts to make spans and to export them by OTLP over HTTP, as OpenTelemetry's own variables say (endpoint,
 * headers, sampler, resource attributes); or, where nobody wants them, a tracer that makes none.
 */
export function startTracing(config: TelemetryConfig, replica: string, registry: MetricsRegistry): Tracing {
  if (!config.exporting) return { tracer: trace.getTracer(SCOPE), shutdown: () => Promise.resolve() };
  const outcomes = new Counter({
    name: METRICS.spans,
    help: 'Spans that have ended, by what became of them: exported, failed or dropped.',
    labelNames: ['outcome'] as const,
    registers: [registry],
  });
  const count = (outcome: SpanOutcome, spans: number): void => outcomes.inc({ outcome }, spans);
  for (const outcome of ['exported', 'failed', 'dropped'] as const) count(outcome, 0);
  const provider = new BasicTracerProvider({
    resource: resourceOf(config, replica),
    spanProcessors: [new CountedSpans(new OTLPTraceExporter(), count)],
  });
  return { tracer: provider.getTracer(SCOPE), shutdown: () => bounded(provider.shutdown()) };
}

/** What OpenTelemetry's variables say of a process goes before what we do. */
function resourceOf({ serviceName }: TelemetryConfig, replica: string) {
  const own = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: serviceName,
    [ATTR_SERVICE_NAMESPACE]: 'layermesh',
    [ATTR_SERVICE_INSTANCE_ID]: replica,
  });
  return defaultResource()
    .merge(own)
    .merge(detectResources({ detectors: [envDetector] }));
}

/** Waits at most so long; what can not be exported by then is lost, as it would be with the process. */
async function bounded(flush: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, FLUSH_MS)));
  await Promise.race([flush.catch(() => undefined), patience]);
  clearTimeout(timer);
}
