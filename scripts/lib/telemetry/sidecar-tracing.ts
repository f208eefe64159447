/**
 * Of how many streams that arrive unsampled Dapr begins a trace of its own: practically none. It must not be 0, which
 * would make a sidecar ignore also what arrives sampled.
 */
const SAMPLING_RATE = '0.000000000001';

/**
 * The sidecar's configuration, exporting the spans of what arrives sampled to an OTLP endpoint (host and port of gRPC);
 * unchanged without one.
 */
export function withTracing(configuration: unknown, endpoint: string | null): unknown {
  if (endpoint === null) return configuration;
  const { spec, ...rest } = configuration as { spec: object };
  const otel = { endpointAddress: endpoint, isSecure: false, protocol: 'grpc' };
  return { ...rest, spec: { ...spec, tracing: { samplingRate: SAMPLING_RATE, otel } } };
}
