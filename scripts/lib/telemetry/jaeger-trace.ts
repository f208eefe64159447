/** A span as Jaeger's API tells of it. Times in microseconds. */
export interface JaegerSpan {
  readonly spanID: string;
  readonly operationName: string;
  readonly processID: string;
  readonly startTime: number;
  readonly duration: number;
  readonly references: readonly { readonly refType: string; readonly spanID: string }[];
  readonly tags: readonly { readonly key: string; readonly value: string | number | boolean }[];
}

export interface JaegerTrace {
  readonly traceID: string;
  readonly spans: readonly JaegerSpan[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

/** A trace by its id, as far as it has arrived; null while nothing of it has. */
export async function findTrace(
  jaegerUrl: string,
  traceId: string,
  signal?: AbortSignal,
): Promise<JaegerTrace | null> {
  const response = await fetch(`${jaegerUrl}/api/traces/${traceId}`, { ...(signal && { signal }) });
  const { data } = (await response.json()) as { data: JaegerTrace[] | null };
  return data?.[0] ?? null;
}

export const tagOf = ({ tags }: JaegerSpan, key: string): string | number | boolean | undefined =>
  tags.find((tag) => tag.key === key)?.value;
