import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../../repository.js';
import { freePorts } from '../processes/ports.js';

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

/** An entry of a file that Prometheus discovers targets in. */
export interface TargetGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** What is known of a process that serves metrics. Ports are on 127.0.0.1. */
export interface Scraped {
  readonly appId: string;
  /** Counts the replicas of the app from 1. */
  readonly replica: number;
  readonly metricsPort: number;
  readonly sidecarMetricsPort: number | null;
  /** Of a stage; left out where there is one model. A gateway names in its series the model that each is of. */
  readonly modelName?: string;
}

/**
 * Targets by job: the files that otel/prometheus/prometheus.yaml names. `collector`: the ports of its two pages of
 * metrics, or null where there is no collector.
 */
export function targetsOf(
  processes: readonly Scraped[],
  modelName: string,
  collector: { readonly spanMetrics: number; readonly metrics: number } | null,
) {
  const services = (isGateway: boolean): TargetGroup[] =>
    processes
      .filter(({ appId }) => (appId === 'gateway') === isGateway)
      .map((each) => {
        const model = isGateway ? {} : { model_name: each.modelName ?? modelName };
        return group(each.metricsPort, { ...identityOf(each), ...model });
      });
  const sidecars = processes.flatMap((each) =>
    each.sidecarMetricsPort === null ? [] : [group(each.sidecarMetricsPort, identityOf(each))],
  );
  return {
    gateway: services(true),
    stage: services(false),
    sidecar: sidecars,
    spans: collector === null ? [] : [group(collector.spanMetrics, {})],
    collector: collector === null ? [] : [group(collector.metrics, {})],
  };
}

const group = (port: number, labels: Record<string, string>): TargetGroup => ({
  targets: [`127.0.0.1:${port}`],
  labels,
});

const identityOf = ({ appId, replica }: Scraped): Record<string, string> => ({
  app_id: appId,
  replica: `${appId}.${replica}`,
});

/** A file for each job; Prometheus sees each either as it was or as it is now. */
export function writeTargets(folder: string, targets: ReturnType<typeof targetsOf>): void {
  mkdirSync(folder, { recursive: true });
  for (const [job, groups] of Object.entries(targets)) {
    writeWhole(join(folder, `${job}.json`), JSON.stringify(groups, null, 2));
  }
}
