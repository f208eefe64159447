import { SpanStatusCode, type Tracer } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base';

/** A tracer, and the spans of it that have ended. */
export function recordSpans(): { readonly tracer: Tracer; readonly spans: () => ReadableSpan[] } {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  return { tracer: provider.getTracer('test'), spans: () => exporter.getFinishedSpans() };
}

/** `child → parent` names, for spans whose parent is among them. */
export const edges = (spans: readonly ReadableSpan[]): string[] =>
  spans
    .map((span) => {
      const parent = spans.find((other) => other.spanContext().spanId === span.parentSpanContext?.spanId);
      return `${parent?.name ?? 'outside'} → ${span.name}`;
    })
    .sort();

export const hasFailed = ({ status }: ReadableSpan): boolean => status.code === SpanStatusCode.ERROR;
