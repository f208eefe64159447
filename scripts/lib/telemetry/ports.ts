import { freePorts } from '../ports.js';

export const HOST = '127.0.0.1';

/** Where the telemetry of one local system listens, on loopback. */
export type TelemetryPorts = Awaited<ReturnType<typeof choosePorts>>;

export async function choosePorts() {
  const ports = await freePorts(9);
  const next = (): number => ports.pop()!;
  return {
    collector: { otlpHttp: next(), otlpGrpc: next(), spanMetrics: next(), metrics: next() },
    jaeger: { otlpHttp: next(), otlpGrpc: next(), ui: next(), grpc: next() },
    prometheus: next(),
  };
}

/** As the configurations in otel/ read them. */
export const portVariables = ({ collector, jaeger, prometheus }: TelemetryPorts): Record<string, string> => ({
  OTELCOL_HTTP_PORT: String(collector.otlpHttp),
  OTELCOL_GRPC_PORT: String(collector.otlpGrpc),
  OTELCOL_SPAN_METRICS_PORT: String(collector.spanMetrics),
  OTELCOL_METRICS_PORT: String(collector.metrics),
  JAEGER_OTLP_ENDPOINT: `${HOST}:${jaeger.otlpGrpc}`,
  JAEGER_OTLP_HTTP_PORT: String(jaeger.otlpHttp),
  JAEGER_OTLP_GRPC_PORT: String(jaeger.otlpGrpc),
  JAEGER_UI_PORT: String(jaeger.ui),
  JAEGER_GRPC_PORT: String(jaeger.grpc),
  PROMETHEUS_URL: `http://${HOST}:${prometheus}`,
});
