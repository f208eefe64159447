import type { RequestHandler } from 'express';
import { collectDefaultMetrics, Gauge, Registry, type OpenMetricsContentType } from 'prom-client';
import { METRICS } from './names.js';

export type MetricsRegistry = Registry<OpenMetricsContentType>;

/** A process's metrics, with those of Node.js. OpenMetrics, since only that carries exemplars. */
export function createMetricsRegistry(): MetricsRegistry {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Says on every page which engine its figures are of: of one that only takes time `timed (…)`. */
export function tellEngine(registry: MetricsRegistry, engine: string | null): void {
  new Gauge({
    name: METRICS.engineInfo,
    help: 'The engine that the figures of this page are of.',
    labelNames: ['engine'],
    registers: [registry],
  }).set({ engine: engine ?? 'onnx' }, 1);
}

const TEXT = 'text/plain;version=0.0.4';
const OPENMETRICS = 'application/openmetrics-text;version=1.0.0';

/**
 * `GET /metrics`: OpenMetrics, with exemplars, to who asks for it, as Prometheus does; else the text format, which knows
 * no exemplars and is what every other reader understands.
 */
export function metricsPage(registry: MetricsRegistry): RequestHandler {
  return async (request, response) => {
    const page = await registry.metrics();
    const open = request.accepts([TEXT, OPENMETRICS]) === OPENMETRICS;
    response.setHeader('vary', 'accept');
    response.setHeader(
      'content-type',
      open ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE,
    );
    // Not `send`, which would set the parameters of the type in another order.
    response.end(open ? page : asTextFormat(page));
  };
}

/**
 * A page of OpenMetrics in Prometheus's text format 0.0.4: a counter is called there what its samples are called. Not
 * rendered by a second registry: prom-client keeps the format, and the counters' names, in objects that both would share.
 */
export function asTextFormat(page: string): string {
  const counters = new Set(Array.from(page.matchAll(/^# TYPE (\S+) counter$/gm), ([, name]) => name));
  const named = (name: string): string => (counters.has(name) ? `${name}_total` : name);
  return page
    .replace(
      /^# (HELP|TYPE) (\S+)/gm,
      (_line, keyword: string, name: string) => `# ${keyword} ${named(name)}`,
    )
    .replace(/^([^#\n].*?) # \{\w+="[^\n]*$/gm, '$1')
    .replace(/^# EOF\n/m, '');
}
