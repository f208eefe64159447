import { freePorts } from '../../scripts/lib/local/processes/ports.js';
import { RunFolder } from '../../scripts/lib/local/run/run-folder.js';
import { LocalTelemetry } from '../../scripts/lib/local/telemetry/local-telemetry.js';
import { findTelemetryPrograms, type TelemetryProgram } from '../../scripts/lib/local/telemetry/programs.js';
import { eventually } from '../support/eventually.js';
import { findTrace } from '../../scripts/lib/local/telemetry/traces.js';
import { sendTrace } from '../support/otlp.js';
import { query } from '../support/prometheus.js';
import { describeTelemetry } from '../support/telemetry.js';

const ARRIVED_MS = 60_000;
const never = new AbortController().signal;
const span = { service: 'gateway', name: 'POST /v1/test', kind: 2, milliseconds: 5 };

describeTelemetry('where something is not installed', () => {
  let telemetry: LocalTelemetry;
  let folder: RunFolder;
  const events: string[] = [];

  const startWithout = async (program: TelemetryProgram): Promise<void> => {
    folder = new RunFolder((await freePorts(1))[0]!);
    await folder.renew();
    telemetry = await LocalTelemetry.start({
      programs: { ...findTelemetryPrograms(), [program]: null },
      folder,
      modelName: 'none',
      onEvent: (event) => events.push(event),
    });
    await telemetry.waitUntilReady(never);
  };

  afterEach(async () => {
    await telemetry.stop();
    await folder.remove();
    expect(events).toEqual([]);
  });

  it('spans go straight to Jaeger without a collector', async () => {
    await startWithout('collector');
    const traceId = await sendTrace(telemetry.urls.otlp!, [span]);
    await eventually('it has them', () => findTrace(telemetry.urls.jaeger!, traceId), ARRIVED_MS);
  }, 120_000);

  it('metrics are made of spans without Jaeger', async () => {
    await startWithout('jaeger');
    expect(telemetry.urls.jaeger).toBeNull();
    await sendTrace(telemetry.urls.otlp!, [span]);
    await eventually(
      'they are kept',
      async () => {
        const { prometheus } = telemetry.urls;
        return (await query(prometheus!, 'traces_span_metrics_duration_seconds_count == 1')).length === 1;
      },
      ARRIVED_MS,
    );
  }, 120_000);

  it('traces are kept without Prometheus', async () => {
    await startWithout('prometheus');
    expect(telemetry.urls.prometheus).toBeNull();
    const traceId = await sendTrace(telemetry.urls.otlp!, [span]);
    await eventually('Jaeger has them', () => findTrace(telemetry.urls.jaeger!, traceId), ARRIVED_MS);
  }, 120_000);
});
