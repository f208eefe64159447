import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { listen, type Listening } from '../../../services/lib/process/listen.js';
import {
  asTextFormat,
  createMetricsRegistry,
  type MetricsRegistry,
} from '../../../services/lib/telemetry/metrics.js';
import { createHttpApp } from '../../../services/stage/readiness.js';

const TRICKY = 'a # {b="c"} 1\n"\\';

/** The same figures in every registry. */
function fill(registry: MetricsRegistry | Registry): void {
  const registers = [registry as Registry];
  const open = registry.contentType === Registry.OPENMETRICS_CONTENT_TYPE;
  new Counter({ name: 'things_total', help: 'Things # {x}', labelNames: ['kind'], registers }).inc({
    kind: TRICKY,
  });
  new Gauge({ name: 'level', help: 'Now', registers }).set(Infinity);
  const histogram = new Histogram({
    name: 'wait_seconds',
    help: 'Wait',
    labelNames: ['kind', 'trace_id'],
    buckets: [1, 2],
    registers,
    enableExemplars: open,
  });
  if (open) {
    histogram.observe({ labels: { kind: TRICKY }, value: 1.5, exemplarLabels: { trace_id: 'abc' } });
  } else {
    histogram.observe({ kind: TRICKY }, 1.5);
  }
}

describe('/metrics', () => {
  let server: Listening;
  beforeAll(async () => {
    const registry = createMetricsRegistry();
    fill(registry);
    server = await listen(
      createHttpApp(registry, () => null),
      '127.0.0.1',
      0,
    );
  });
  afterAll(() => server.close());

  const scrape = async (accept: string): Promise<{ type: string | null; page: string }> => {
    const response = await fetch(`http://127.0.0.1:${server.port}/metrics`, { headers: { accept } });
    return { type: response.headers.get('content-type'), page: await response.text() };
  };

  test.each([
    'text/plain',
    'text/plain;version=0.0.4;q=0.9,*/*;q=0.1',
    '*/*',
    'application/json',
    'application/openmetrics-text;version=0.0.1',
    'application/openmetrics-text;version=1.0.0;q=0.3,text/plain;q=0.5',
  ])('is text for "%s"', async (accept) => {
    const { type, page } = await scrape(accept);
    expect(type).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(page).not.toContain('# EOF');
    expect(page).not.toContain('trace_id');
    expect(page).toContain('# TYPE things_total counter\n');
  });

  test.each([
    'application/openmetrics-text',
    'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    // What Prometheus 3 sends.
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
  ])('is OpenMetrics for "%s"', async (accept) => {
    const { type, page } = await scrape(accept);
    expect(type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(page).toMatch(/\n# EOF\n$/);
    expect(page).toContain('# {trace_id="abc"} 1.5');
  });

  test('is right for two who ask at once in different formats', async () => {
    const pages = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        scrape(index % 2 === 0 ? 'text/plain' : 'application/openmetrics-text'),
      ),
    );
    expect(pages.map(({ page }) => page.includes('# EOF'))).toEqual(pages.map((_, index) => index % 2 === 1));
  });
});

test('the text is what prom-client itself writes in that format', async () => {
  const [open, text] = [new Registry(), new Registry()] as [MetricsRegistry, Registry];
  open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  for (const registry of [open, text]) fill(registry);
  const lines = (page: string): string[] => page.split('\n').filter((line) => line !== '');
  expect(lines(asTextFormat(await open.metrics()))).toEqual(lines(await text.metrics()));
});
