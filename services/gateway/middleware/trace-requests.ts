import { SpanKind, SpanStatusCode, trace, type Context, type Tracer } from '@opentelemetry/api';
import type { RequestHandler, Response } from 'express';
import { ATTRIBUTES, serverSpan } from '../../lib/telemetry/names.js';
import { contextOfHeaders, traceparentOf } from '../../lib/telemetry/trace-context.js';

/** What the handlers of a traced route know of their request. */
export interface TracedRequest {
  /** Of the HTTP server span. */
  readonly context: Context;
  /** The reading of `performance.now()` when the request came. */
  readonly arrived: number;
}

/**
 * A server span around each request of this route, under the client's `traceparent` if it sent one; the span's
 * own goes back in the headers `traceparent`, as Dapr returns it, and `traceresponse`, as the W3C drafts it.
 */
export function traceRequests(tracer: Tracer, route: string): RequestHandler {
  return (request, response, next) => {
    const arrived = performance.now();
    const span = tracer.startSpan(
      serverSpan(request.method, route),
      {
        kind: SpanKind.SERVER,
        startTime: arrived,
        attributes: {
          [ATTRIBUTES.method]: request.method,
          [ATTRIBUTES.httpRoute]: route,
        },
      },
      contextOfHeaders(request.headers),
    );
    const context = trace.setSpan(contextOfHeaders(request.headers), span);
    response.locals.traced = { context, arrived } satisfies TracedRequest;
    const traceparent = traceparentOf(span.spanContext());
    if (traceparent !== '') response.set({ traceparent, traceresponse: traceparent });
    response.once('close', () => {
      if (response.headersSent) span.setAttribute(ATTRIBUTES.status, response.statusCode);
      if (response.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    });
    next();
  };
}

/** For handlers behind `traceRequests`. */
export const tracedOf = (response: Response): TracedRequest => response.locals.traced as TracedRequest;
