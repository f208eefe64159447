import type { Context, Tracer } from '@opentelemetry/api';
import { ExportResultCode, type ExportResult } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type ReadableSpan,
  type Span,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import {
  ATTR_SERVICE_INSTANCE_ID,
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_NAMESPACE,
} from '@opentelemetry/semantic-conventions';
import { Counter } from 'prom-client';
import type { TelemetryConfig } from '../config/config.js';
import type { MetricsRegistry } from './metrics.js';
import { METRICS, SCOPE } from './names.js';

export interface Tracing {
  readonly tracer: Tracer;
  /** Exports what is left, for a few seconds at most. */
  shutdown(): Promise<void>;
}

/** A collector that does not answer must not keep a process from ending. */
const FLUSH_MS = 3_000;

/** Exports all spans that its tracer makes, and counts on the metrics page what became of them. */
export function exportSpans(config: TelemetryConfig, replica: string, registry: MetricsRegistry): Tracing {
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

/** Waits at most so long; what cannot be exported by then is lost, as it would be with the process. */
async function bounded(flush: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, FLUSH_MS)));
  await Promise.race([flush.catch(() => undefined), patience]);
  clearTimeout(timer);
}

export type SpanOutcome = 'exported' | 'failed' | 'dropped';

/** Spans that may wait for the exporter; more are dropped. */
const MAX_QUEUE = 2_048;

/**
 * Exports spans in batches from a bounded queue and counts what became of each: a collector that is slow or gone
 * costs spans, which must be seen, and nothing else.
 */
export class CountedSpans implements SpanProcessor {
  readonly #batches: BatchSpanProcessor;
  readonly #count: (outcome: SpanOutcome, spans: number) => void;
  #waiting = 0;

  constructor(exporter: SpanExporter, count: (outcome: SpanOutcome, spans: number) => void) {
    this.#count = count;
    this.#batches = new BatchSpanProcessor(this.#counting(exporter), {
      maxQueueSize: MAX_QUEUE,
      scheduledDelayMillis: 1_000,
    });
  }

  onStart(span: Span, parent: Context): void {
    this.#batches.onStart(span, parent);
  }

  onEnd(span: ReadableSpan): void {
    // As the batch processor does, which keeps the number to itself.
    if (this.#waiting >= MAX_QUEUE) this.#count('dropped', 1);
    else this.#waiting++;
    this.#batches.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#batches.shutdown();
  }

  #counting(exporter: SpanExporter): SpanExporter {
    return {
      export: (spans: ReadableSpan[], done: (result: ExportResult) => void): void => {
        this.#waiting -= spans.length;
        exporter.export(spans, (result) => {
          this.#count(result.code === ExportResultCode.SUCCESS ? 'exported' : 'failed', spans.length);
          done(result);
        });
      },
      shutdown: () => exporter.shutdown(),
      forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    };
  }
}
