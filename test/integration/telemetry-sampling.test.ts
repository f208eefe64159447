import { join } from 'node:path';
import { ManagedProcess } from '../../scripts/lib/local/processes/kept-process.js';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import {
  choosePorts,
  portVariables,
  type TelemetryPorts,
} from '../../scripts/lib/local/telemetry/targets.js';
import { findTelemetryPrograms } from '../../scripts/lib/local/telemetry/programs.js';
import { Scrape } from '../../scripts/lib/local/metrics-page.js';
import { eventually } from '../support/eventually.js';
import { findTrace } from '../../scripts/lib/local/telemetry/traces.js';
import { sendTrace } from '../support/otlp.js';
import { describeTelemetry } from '../support/telemetry.js';
import { temporaryFolder } from '../support/temporary-folder.js';

describeTelemetry('a collector with all layers', () => {
  const folder = temporaryFolder();
  const running: ManagedProcess[] = [];
  let ports: TelemetryPorts;

  const start = (name: string, program: string, ...configs: string[]): void => {
    running.push(
      new ManagedProcess({
        name,
        command: [
          program,
          ...configs.flatMap((config) => ['--config', join(repositoryRoot, 'otel', config)]),
        ],
        directory: folder.path,
        env: {
          ...process.env,
          ...portVariables(ports),
          OTELCOL_DECISION_WAIT: '1s',
          OTELCOL_SAMPLE_PERCENT: '0',
          OTELCOL_SLOW_MS: '5000',
        },
        logPath: join(folder.path, `${name}.log`),
      }),
    );
  };

  beforeAll(async () => {
    ports = await choosePorts();
    const { collector, jaeger } = findTelemetryPrograms();
    start('jaeger', jaeger!, 'jaeger/config.yaml');
    start('collector', collector!, 'collector/base.yaml', 'collector/jaeger.yaml', 'collector/sampling.yaml');
    const answers = (port: number): Promise<boolean> =>
      fetch(`http://127.0.0.1:${port}/`).then(
        () => true,
        () => false,
      );
    await eventually(
      'both listen',
      async () => {
        expect(running.filter(({ running: runs }) => !runs)).toEqual([]);
        return (await answers(ports.collector.otlpHttp)) && (await answers(ports.jaeger.ui));
      },
      60_000,
    );
  }, 70_000);

  afterAll(() => Promise.all(running.map((each) => each.stop(5_000))));

  it('passes on errors and slow requests, and counts all', async () => {
    const otlp = `http://127.0.0.1:${ports.collector.otlpHttp}`;
    const jaeger = `http://127.0.0.1:${ports.jaeger.ui}`;
    const request = { service: 'gateway', name: 'POST /v1/completions', kind: 2, milliseconds: 20 };
    const usual: string[] = [];
    for (let count = 0; count < 18; count++) usual.push(await sendTrace(otlp, [request]));
    const failed = await sendTrace(otlp, [{ ...request, failed: true }]);
    const slow = await sendTrace(otlp, [{ ...request, milliseconds: 6_000 }]);

    await eventually(
      'both are kept',
      async () => {
        return (await findTrace(jaeger, failed)) !== null && (await findTrace(jaeger, slow)) !== null;
      },
      30_000,
    );
    await eventually(
      'all are counted',
      async () => {
        const page = await fetch(`http://127.0.0.1:${ports.collector.spanMetrics}/metrics`);
        return new Scrape(await page.text()).total('traces_span_metrics_calls_total') === 20;
      },
      30_000,
    );
    // Decided in the order in which they came, so these have been too.
    const kept = await Promise.all(usual.map((id) => findTrace(jaeger, id)));
    expect(kept.filter((trace) => trace !== null)).toEqual([]);
  }, 90_000);
});
