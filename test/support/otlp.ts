import { randomBytes } from 'node:crypto';

export interface TestSpan {
  readonly service: string;
  readonly name: string;
  /** Of OpenTelemetry: 1 internal, 2 server, 3 client. */
  readonly kind?: number;
  readonly milliseconds: number;
  readonly failed?: boolean;
  readonly attributes?: Readonly<Record<string, string | number>>;
}

/** Sends one trace to an OTLP endpoint, each span the child of the one before, all ending now. Returns its id. */
export async function sendTrace(endpoint: string, spans: readonly TestSpan[]): Promise<string> {
  const traceId = randomBytes(16).toString('hex');
  const ids = spans.map(() => randomBytes(8).toString('hex'));
  const end = BigInt(Date.now()) * 1_000_000n;
  const resourceSpans = spans.map((span, index) => ({
    resource: { attributes: attributesOf({ 'service.name': span.service }) },
    scopeSpans: [
      {
        scope: { name: 'layermesh-test' },
        spans: [
          {
            traceId,
            spanId: ids[index],
            ...(index > 0 && { parentSpanId: ids[index - 1] }),
            name: span.name,
            kind: span.kind ?? 1,
            startTimeUnixNano: String(end - BigInt(span.milliseconds) * 1_000_000n),
            endTimeUnixNano: String(end),
            attributes: attributesOf(span.attributes ?? {}),
            status: span.failed === true ? { code: 2 } : {},
          },
        ],
      },
    ],
  }));
  const response = await fetch(`${endpoint}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceSpans }),
  });
  if (!response.ok) throw new Error(`OTLP: ${response.status} ${await response.text()}`);
  return traceId;
}

const attributesOf = (values: Readonly<Record<string, string | number>>): object[] =>
  Object.entries(values).map(([key, value]) => ({
    key,
    value: typeof value === 'string' ? { stringValue: value } : { intValue: String(value) },
  }));
