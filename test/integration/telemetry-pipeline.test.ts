import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../../scripts/bootstrap/tool.mjs';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import { freePorts } from '../../scripts/lib/local/processes/ports.js';
import { RunFolder } from '../../scripts/lib/local/run/run-folder.js';
import { isStillRunning, readRunState } from '../../scripts/lib/local/run/run-state.js';
import { findTrace, lastTraceUrl } from '../../scripts/lib/local/telemetry/traces.js';
import { queries } from '../support/dashboard.js';
import { eventually } from '../support/eventually.js';
import { edgesOf } from '../support/jaeger.js';
import { startSystem, type TestSystem } from '../support/local-system.js';
import { sendTrace, type TestSpan } from '../support/otlp.js';
import { exemplars, failingRules, query } from '../support/prometheus.js';
import { describeTelemetry } from '../support/telemetry.js';

/** Two flushes of the collector, a scrape and an evaluation of the rules, on a busy machine. */
const SCRAPED_MS = 60_000;

/** A request as the services report it, through two stages. */
const request = (): TestSpan[] => [
  {
    service: 'gateway',
    name: 'POST /v1/test',
    kind: 2,
    milliseconds: 90,
    attributes: { 'http.request.method': 'POST' },
  },
  { service: 'gateway', name: 'decode', milliseconds: 80 },
  ...[0, 1].map((index) => ({
    service: `stage-${index}`,
    name: 'stage.decode',
    milliseconds: 30 - index,
    attributes: { 'layermesh.stage.index': index, 'layermesh.stage.phase': 'decode' },
  })),
];

describeTelemetry('a system with traces', () => {
  let system: TestSystem;
  let urls: { jaeger: string; prometheus: string; otlp: string };

  beforeAll(async () => {
    system = await startSystem({ stages: 2, trace: true });
    urls = system.telemetry as typeof urls;
  }, 180_000);

  afterAll(() => system.stop(), 60_000);

  const complete = async (): Promise<number> => {
    const response = await fetch(`${system.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'default', prompt: 'The sky is', max_tokens: 4, ignore_eos: true }),
    });
    await response.text();
    return response.status;
  };

  const traced = (traceId: string, spans: number) =>
    eventually(
      `Jaeger has the trace`,
      async () => {
        const trace = await findTrace(urls.jaeger, traceId).catch(() => null);
        return trace?.spans.length === spans ? trace : null;
      },
      SCRAPED_MS,
    );

  /** Waits until an expression has samples with just these values of a label. */
  const seen = (expression: string, label: string, values: readonly string[]) =>
    eventually(
      `${expression}: ${values.join(', ')}`,
      async () => {
        const samples = await query(urls.prometheus, expression);
        return (
          samples
            .map(({ labels }) => labels[label])
            .sort()
            .join() === values.join()
        );
      },
      SCRAPED_MS,
    );

  it('shows a trace in Jaeger, and says where its last request is', async () => {
    const spans = request();
    await traced(await sendTrace(urls.otlp, spans), spans.length);
    const traceId = await sendTrace(urls.otlp, spans);
    expect(edgesOf(await traced(traceId, spans.length)).sort()).toEqual([
      'gateway:POST /v1/test → gateway:decode',
      'gateway:decode → stage-0:stage.decode',
      'stage-0:stage.decode → stage-1:stage.decode',
    ]);
    // What is no request does not count.
    const other = await sendTrace(urls.otlp, [{ service: 'gateway', name: 'link', milliseconds: 1 }]);
    await traced(other, 1);
    expect(await lastTraceUrl(urls.jaeger)).toBe(`${urls.jaeger}/trace/${traceId}`);
  }, 60_000);

  it('makes metrics of spans, by stage and phase, with exemplars', async () => {
    const traceId = await sendTrace(urls.otlp, request());
    const of = (metric: string): string =>
      `${metric}{service_name="stage-1", span_name="stage.decode", layermesh_stage_index="1", layermesh_stage_phase="decode"}`;
    const seconds = await eventually(
      'the span is counted',
      async () => {
        const ids = await exemplars(urls.prometheus, of('traces_span_metrics_duration_seconds_bucket'));
        if (!ids.includes(traceId)) return null;
        const [sum] = await query(urls.prometheus, of('traces_span_metrics_duration_seconds_sum'));
        const [spans] = await query(urls.prometheus, of('traces_span_metrics_duration_seconds_count'));
        return spans === undefined || sum === undefined ? null : sum.value / spans.value;
      },
      SCRAPED_MS,
    );
    // In seconds, whatever the collector's default is.
    expect(seconds).toBeCloseTo(0.029, 6);
    await eventually(
      'Jaeger shows the rate of requests that Prometheus has',
      async () => {
        const window = `endTs=${Date.now()}&lookback=600000&step=5000&ratePer=600000`;
        const answer = await fetch(`${urls.jaeger}/api/metrics/calls?service=gateway&${window}`);
        const { metrics } = (await answer.json()) as {
          metrics?: { metricPoints: { gaugeValue: { doubleValue: number | 'NaN' } }[] }[];
        };
        return (metrics ?? []).some((each) =>
          each.metricPoints.some(({ gaugeValue }) => Number(gaugeValue.doubleValue) > 0),
        );
      },
      SCRAPED_MS,
    );
  }, 130_000);

  it('has the metrics of the gateway, the stages and the sidecars, and those of vLLM made of them', async () => {
    expect(await complete()).toBe(200);
    const tokens = await eventually(
      'the tokens are published under the name of vLLM',
      async () => {
        const [sample] = await query(urls.prometheus, 'vllm:generation_tokens_total');
        return sample !== undefined && sample.value > 0 ? sample : null;
      },
      SCRAPED_MS,
    );
    expect(tokens.labels).toMatchObject({ model_name: 'SmolLM2-135M-Instruct', engine: '0' });
    // The scrape that saw the tokens may have seen the request run.
    for (const name of ['num_requests_running', 'num_requests_waiting', 'kv_cache_usage_perc']) {
      await eventually(
        `vllm:${name} is there, and 0 again`,
        async () => (await query(urls.prometheus, `vllm:${name}`))[0]?.value === 0,
        SCRAPED_MS,
      );
    }
    await seen('layermesh_stage_busy_seconds_total > 0', 'stage', ['stage-0', 'stage-1']);
    await seen('count by (app_id) (dapr_component_state_count)', 'app_id', ['gateway', 'stage-0', 'stage-1']);
    // What Grafana will ask, Prometheus understands.
    for (const each of queries) await query(urls.prometheus, each);
    await eventually(
      'every rule has been evaluated',
      async () => (await failingRules(urls.prometheus)).length === 0,
      SCRAPED_MS,
    );
  }, 130_000);

  it('lets sidecars trace what arrives sampled, and nothing else', async () => {
    const { sidecarHttpPort, sidecarToken } = system.members('gateway')[0]!;
    const read = (traceparent?: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${sidecarHttpPort}/v1.0/state/statestore/nothing`, {
        headers: { 'dapr-api-token': sidecarToken, ...(traceparent !== undefined && { traceparent }) },
      });
    const [unsampled, sampled] = ['a', 'b'].map((digit) => digit.repeat(32)) as [string, string];
    await read();
    await read(`00-${unsampled}-${'1'.repeat(16)}-00`);
    await read(`00-${sampled}-${'1'.repeat(16)}-01`);
    const trace = await traced(sampled, 1);
    expect(Object.values(trace.processes).map(({ serviceName }) => serviceName)).toEqual(['gateway']);
    expect(await findTrace(urls.jaeger, unsampled)).toBeNull();
  }, 60_000);

  it('scrapes the replicas that there are', async () => {
    const up = 'up{job="layermesh-stage", app_id="stage-1"} == 1';
    await system.scale('stage-1', 2);
    await seen(up, 'replica', ['stage-1.1', 'stage-1.2']);
    await system.scale('stage-1', 1);
    await seen(up, 'replica', ['stage-1.1']);
  }, 180_000);

  it.each(['collector', 'jaeger', 'prometheus'])(
    'serves on when %s is killed, and starts it again',
    async (name) => {
      const before = system.telemetryPids().get(name)!;
      process.kill(before, 'SIGKILL');
      expect(await complete()).toBe(200);
      await eventually('it runs again', () => system.telemetryPids().get(name) !== before, SCRAPED_MS);
      await eventually(
        'it works again',
        async () => {
          try {
            const traceId = await sendTrace(urls.otlp, request());
            await traced(traceId, 4);
            return (await query(urls.prometheus, 'up{job="layermesh-gateway"} == 1')).length === 1;
          } catch {
            return false;
          }
        },
        60_000,
      );
      expect(await complete()).toBe(200);
      expect(system.events.join('\n')).toContain(`${name} started again`);
    },
    150_000,
  );
});

describeTelemetry('up --trace --detach', () => {
  const door = join(repositoryRoot, 'scripts', 'run.mjs');
  const run = (command: string, ...args: string[]): Promise<{ code: number; output: string }> =>
    runTool(process.execPath, [door, command, ...args], { cwd: repositoryRoot });

  it('says where traces and metrics are, and down stops everything', async () => {
    const port = String((await freePorts(1))[0]!);
    const folder = new RunFolder(Number(port));
    try {
      const { code, output } = await run('up', '--trace', '--detach', '--stages', '1', '--port', port);
      expect(code === 0 ? '' : output).toBe('');
      const { processes, telemetry, supervisor } = readRunState(folder.state);
      expect(output).toContain(`Traces at ${telemetry!.jaeger!}`);
      expect(output).toContain(`Metrics at ${telemetry!.prometheus!}`);
      expect(processes.map(({ kind }) => kind)).toEqual(
        expect.arrayContaining(['gateway', 'stage', 'sidecar', 'collector', 'jaeger', 'prometheus']),
      );
      const traceId = await sendTrace(telemetry!.otlp!, request());
      await eventually(
        'its log says where the last trace is',
        () =>
          readFileSync(`${folder.path}.log`, 'utf8').includes(
            `Last trace: ${telemetry!.jaeger!}/trace/${traceId}`,
          ),
        30_000,
      );
      expect((await run('down', '--port', port)).code).toBe(0);
      expect(processes.filter(isStillRunning)).toEqual([]);
      await eventually('its supervisor has ended', () => !alive(supervisor));
    } finally {
      await run('down', '--port', port);
      await folder.remove();
      await rm(`${folder.path}.log`, { force: true });
    }
  }, 180_000);

  it('leaves nothing behind even when its supervisor is killed', async () => {
    const port = String((await freePorts(1))[0]!);
    const folder = new RunFolder(Number(port));
    try {
      expect((await run('up', '--trace', '--detach', '--stages', '1', '--port', port)).code).toBe(0);
      const { processes, supervisor } = readRunState(folder.state);
      process.kill(supervisor, 'SIGKILL');
      await eventually('it is gone', () => !alive(supervisor));
      expect((await run('down', '--port', port)).code).toBe(0);
      expect(processes.filter(isStillRunning)).toEqual([]);
    } finally {
      await run('down', '--port', port);
      await folder.remove();
      await rm(`${folder.path}.log`, { force: true });
    }
  }, 180_000);
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
