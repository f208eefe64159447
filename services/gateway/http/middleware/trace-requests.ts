import { SpanKind, SpanStatusCode, trace, type Context, type Tracer } from '@opentelemetry/api';
import type { RequestHandler, Response } from 'express';
import type { GenerationSettings } from '../../../lib/openai/generation-fields.js';
import { ATTRIBUTES, serverSpan, type Operation } from '../../../lib/telemetry/names.js';
import { contextOfHeaders, traceparentOf } from '../../../lib/telemetry/trace-context.js';
import { RequestTrace, type Inferences } from '../../telemetry/request-trace.js';

/** What the handlers of a traced route know of their request. */
interface TracedRequest {
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

/** Runs the work of one inference request under a span of its own, which ends with it. */
export async function traceInference(
  inferences: Inferences,
  response: Response,
  request: { operation: Operation; model: string; settings: GenerationSettings },
  work: (trace: RequestTrace) => Promise<void>,
): Promise<void> {
  const { context, arrived } = response.locals.traced as TracedRequest;
  const id = response.get('x-request-id') ?? '';
  const trace = new RequestTrace({ ...inferences, ...request, id, parent: context, arrived });
  try {
    await work(trace);
    trace.end();
  } catch (error) {
    if (response.destroyed) trace.abandon();
    else trace.end(error);
    throw error;
  }
}
