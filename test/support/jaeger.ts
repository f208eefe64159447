export interface JaegerSpan {
  readonly spanID: string;
  readonly operationName: string;
  readonly references: readonly { readonly refType: string; readonly spanID: string }[];
  readonly processID: string;
  readonly startTime: number;
  /** Microseconds. */
  readonly duration: number;
  readonly tags: readonly { readonly key: string; readonly value: unknown }[];
}

export interface JaegerTrace {
  readonly traceID: string;
  readonly spans: readonly JaegerSpan[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

/** A trace by its id, as far as it has arrived; null while nothing of it has. */
export async function findTrace(jaegerUrl: string, traceId: string): Promise<JaegerTrace | null> {
  const response = await fetch(`${jaegerUrl}/api/traces/${traceId}`);
  const { data } = (await response.json()) as { data: JaegerTrace[] | null };
  return data?.[0] ?? null;
}

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
