import type { Environment } from './env.js';

/** What of a request is traced; where spans go, and how they are sampled, say OpenTelemetry's own variables. */
export interface TelemetryConfig {
  /** Spans are made and exported only where somebody said where to. */
  readonly exporting: boolean;
  /** Unless `OTEL_SERVICE_NAME` says otherwise. */
  readonly serviceName: string;
  /** Every so manieth decode round of a sequence has spans in all stages, besides the first and the slowest. */
  readonly decodeInterval: number;
  /** Whether spans hold prompts; they never do unless asked for. */
  readonly content: boolean;
}

export function readTelemetryConfig(environment: Environment, appId: string): TelemetryConfig {
  const endpoints = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'].filter(
    (name) => environment.url(name) !== null,
  );
  const disabled = environment.text('OTEL_SDK_DISABLED', 'false') === 'true';
  const exporter = environment.text('OTEL_TRACES_EXPORTER', 'otlp');
  return {
    exporting: endpoints.length > 0 && !disabled && exporter !== 'none',
    serviceName: appId,
    decodeInterval: environment.integer('LAYERMESH_TRACE_DECODE_INTERVAL', 32, [1, 1 << 20]),
    content: environment.text('OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT', 'false') === 'true',
  };
}
