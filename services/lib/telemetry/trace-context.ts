import {
  defaultTextMapGetter,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  trace,
  TraceFlags,
  type Context,
  type SpanContext,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';

/** How trace context crosses processes: as W3C `traceparent`, in HTTP headers and in our messages alike. */
const propagator = new W3CTraceContextPropagator();

/** The context that headers carry; the root where they carry none that is valid. */
export const contextOfHeaders = (headers: Readonly<Record<string, string | string[] | undefined>>): Context =>
  propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);

export const contextOf = (traceparent: string): Context => contextOfHeaders({ traceparent });

/** Empty where there is nothing to join. */
export function traceparentOf(span: SpanContext): string {
  const carrier: { traceparent?: string } = {};
  propagator.inject(trace.setSpanContext(ROOT_CONTEXT, span), carrier, defaultTextMapSetter);
  return carrier.traceparent ?? '';
}

export const isSampled = ({ traceFlags }: SpanContext): boolean => (traceFlags & TraceFlags.SAMPLED) !== 0;

/** Under another span of the same trace. */
export const under = (span: SpanContext, spanId: string): Context =>
  trace.setSpanContext(ROOT_CONTEXT, { ...span, spanId, isRemote: true });
