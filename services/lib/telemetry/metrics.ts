import type { IncomingMessage, ServerResponse } from 'node:http';
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

/**
 * `GET /metrics`: OpenMetrics, with exemplars, to who asks for it, as Prometheus does; else the text format, which knows
 * no exemplars and is what every other reader understands.
 */
export function metricsPage(
  registry: MetricsRegistry,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    const page = await registry.metrics();
    const open = asksForOpenMetrics(request.headers.accept);
    response.setHeader('vary', 'accept');
    response.setHeader(
      'content-type',
      open ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE,
    );
    response.end(open ? page : asTextFormat(page));
  };
}

/** Whether a reader with this `Accept` names OpenMetrics, and would not rather have the text format. */
function asksForOpenMetrics(accept = ''): boolean {
  const ranges = accept.split(',').map((range) => {
    const [type, ...parameters] = range.split(';').map((part) => part.trim());
    const valueOf = (name: string): string | undefined =>
      parameters.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
    return { type, version: valueOf('version'), quality: Number(valueOf('q') ?? 1) };
  });
  const qualityOf = (wanted: string, version: string): number =>
    ranges
      .filter((range) => range.type === wanted && (range.version ?? version) === version)
      .reduce((most, { quality }) => Math.max(most, quality), 0);
  const quality = qualityOf('application/openmetrics-text', '1.0.0');
  return quality > 0 && quality >= qualityOf('text/plain', '0.0.4');
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
