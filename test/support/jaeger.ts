import type { JaegerSpan, JaegerTrace } from '../../scripts/lib/local/telemetry/traces.js';

/** Parent and child of each edge between two spans of a trace, such as `gateway:decode → stage-0:stage.decode`. */
export function edgesOf({ spans, processes }: JaegerTrace): string[] {
  const label = ({ processID, operationName }: JaegerSpan): string =>
    `${processes[processID]!.serviceName}:${operationName}`;
  const byId = new Map(spans.map((span) => [span.spanID, span]));
  return spans.flatMap((span) =>
    span.references.flatMap(({ spanID }) => {
      const parent = byId.get(spanID);
      return parent === undefined ? [] : [`${label(parent)} → ${label(span)}`];
    }),
  );
}

/** All traces that it has of some services, each once. */
export async function listTraces(jaegerUrl: string, services: readonly string[]): Promise<JaegerTrace[]> {
  const lists = await Promise.all(
    services.map(async (service) => {
      const response = await fetch(`${jaegerUrl}/api/traces?service=${service}&limit=1000&lookback=1h`);
      return ((await response.json()) as { data: JaegerTrace[] | null }).data ?? [];
    }),
  );
  return [...new Map(lists.flat().map((trace) => [trace.traceID, trace])).values()];
}
