import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

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

const PERIOD_MS = 3_000;
const CALL_TIMEOUT_MS = 5_000;

const found = z.object({ data: z.array(z.object({ traceID: z.string() })).nullable() });

/** Where Jaeger shows the trace of the request that came last and is finished; null while there is none. */
export async function lastTraceUrl(jaegerUrl: string): Promise<string | null> {
  const query = new URLSearchParams({
    service: 'gateway',
    // The span of a request, not of a link.
    tags: JSON.stringify({ 'http.request.method': 'POST' }),
    lookback: '1h',
    limit: '1',
  });
  const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
  const response = await fetch(`${jaegerUrl}/api/traces?${query.toString()}`, { signal });
  const [trace] = found.parse(await response.json()).data ?? [];
  return trace === undefined ? null : `${jaegerUrl}/trace/${trace.traceID}`;
}

/**
 * Tells of the last request's trace whenever no newer one has come for a while, so that under load it is silent; never
 * without a Jaeger. Returns how to end it.
 */
export function watchTraces(jaegerUrl: string | null, onTrace: (url: string) => void): () => void {
  const ended = new AbortController();
  if (jaegerUrl !== null) void watch(jaegerUrl, onTrace, ended.signal);
  return () => ended.abort();
}

async function watch(jaegerUrl: string, onTrace: (url: string) => void, ended: AbortSignal): Promise<void> {
  let told: string | null = null;
  let last: string | null = null;
  while (await sleep(PERIOD_MS, true, { signal: ended, ref: false }).catch(() => false)) {
    // A Jaeger that does not answer now is reported by whoever watches its process.
    const now = await lastTraceUrl(jaegerUrl).catch(() => null);
    if (now !== null && now === last && now !== told && !ended.aborted) onTrace((told = now));
    last = now;
  }
}
