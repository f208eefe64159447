import { createMetricsRegistry } from '../../../services/lib/telemetry/metrics.js';
import { startTracing } from '../../../services/lib/telemetry/tracing.js';
import { createGatewayMetrics } from '../../../services/gateway/telemetry/metrics.js';
import { createStageMetrics } from '../../../services/stage/accounts/metrics.js';

/** Of other programs: the collector's span metrics, the sidecars', and what Prometheus has of itself. */
const OF_OTHERS = [
  'traces_span_metrics_calls_total',
  ...seriesOf('traces_span_metrics_duration_seconds', 'histogram'),
  ...seriesOf('dapr_component_state_latencies', 'histogram'),
  'up',
  'ALERTS',
];

/** Every series that Prometheus gets from a running system: those that the code registers, and those of others. */
export async function scrapedSeries(): Promise<Set<string>> {
  const gateway = createMetricsRegistry();
  const config = { exporting: true, serviceName: 'gateway', decodeInterval: 1, content: false };
  const tracing = await startTracing(config, 'replica', gateway);
  await tracing.shutdown();
  createGatewayMetrics(gateway);
  const zero = (): number => 0;
  const gauges = { queueDepth: zero, sequences: zero, kvUsedRatio: zero };
  const { registry: stage } = createStageMetrics({ stage: 'stage-0', layers: '0-9' }, gauges);
  const metrics = [...(await gateway.getMetricsAsJSON()), ...(await stage.getMetricsAsJSON())];
  return new Set([...metrics.flatMap(({ name, type }) => seriesOf(name, String(type))), ...OF_OTHERS]);
}

function seriesOf(name: string, type: string): string[] {
  return type === 'histogram' ? ['bucket', 'sum', 'count'].map((part) => `${name}_${part}`) : [name];
}
