import { randomBytes } from 'node:crypto';
import {
  findTrace,
  tagOf,
  type JaegerSpan,
  type JaegerTrace,
} from '../../scripts/lib/local/telemetry/traces.js';
import { ATTRIBUTES, METRICS, SPANS } from '../../services/lib/telemetry/names.js';
import { post } from '../support/completions.js';
import { eventually } from '../support/eventually.js';
import { edgesOf, listTraces } from '../support/jaeger.js';
import { startSystem, type TestSystem } from '../support/local-system.js';
import { describeTelemetry } from '../support/telemetry.js';

/** Two chunks of the prompt; the answer has a decode round that is sampled late, and one that is the slowest. */
const PROMPT = Array.from({ length: 300 }, (_, index) => 300 + index);
const TOKENS = 40;
const STAGES = ['stage-0', 'stage-1', 'stage-2'] as const;
const EXPORTED_MS = 30_000;

/** What each process promises: the spans that it makes, and the metrics that it serves. */
const SIGNALS = {
  gateway: {
    spans: [
      'POST /v1/chat/completions',
      'POST /v1/completions',
      'chat SmolLM2-135M-Instruct',
      'text_completion SmolLM2-135M-Instruct',
      SPANS.admission,
      SPANS.tokenize,
      SPANS.route,
      SPANS.prefill,
      SPANS.decode,
      SPANS.link,
    ],
    metrics: /^layermesh_(?!stage_)/,
  },
  stage: {
    spans: [SPANS.stagePrefill, SPANS.stageDecode, SPANS.stageSequence],
    metrics: /^layermesh_(stage_|spans_|engine_)/,
  },
};

describeTelemetry('a traced system of three stages, one with two replicas', () => {
  let system: TestSystem;
  let jaeger: string;
  /** Of the first request, and the route that it took. */
  let trace: JaegerTrace;
  let route: string[];

  const complete = (traceparent: string, body: object = {}): Promise<Response> =>
    fetch(`${system.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent },
      body: JSON.stringify({ prompt: PROMPT, max_tokens: TOKENS, temperature: 0, ignore_eos: true, ...body }),
    });

  const spansOf = (service: string, { spans, processes }: JaegerTrace = trace): JaegerSpan[] =>
    spans.filter(({ processID }) => processes[processID]!.serviceName === service);

  /** A stage's last span of a sequence is that of the whole. */
  const whole = (id: string): Promise<JaegerTrace> =>
    eventually(
      'the whole trace is in Jaeger',
      async () => {
        const found = await findTrace(jaeger, id).catch(() => null);
        const stages = found?.spans.filter(({ operationName }) => operationName === SPANS.stageSequence);
        const server = found?.spans.some(({ operationName }) => operationName.startsWith('POST'));
        return stages?.length === STAGES.length && server === true ? found : null;
      },
      EXPORTED_MS,
    );

  beforeAll(async () => {
    const env = { OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true', LAYERMESH_SPECULATION: 'off' };
    system = await startSystem({ stages: 3, replicas: { 'stage-1': 2 }, trace: true, env });
    jaeger = system.telemetry!.jaeger!;
    const id = randomBytes(16).toString('hex');
    const answer = await complete(`00-${id}-${'1'.repeat(16)}-01`);
    expect(answer.status).toBe(200);
    await answer.text();
    route = answer.headers.get('x-layermesh-route')!.split('>');
    trace = await whole(id);
  }, 240_000);

  afterAll(() => system.stop(), 60_000);

  it('leads from the gateway through every stage to the head', () => {
    const edges = edgesOf(trace);
    for (const kind of ['stage.prefill', 'stage.decode', 'stage.sequence']) {
      expect(edges).toContain(`stage-0:${kind} → stage-1:${kind}`);
      expect(edges).toContain(`stage-1:${kind} → stage-2:${kind}`);
    }
    expect(edges).toContain('gateway:prefill → stage-0:stage.prefill');
    expect(edges).toContain('gateway:decode → stage-0:stage.decode');
    expect(edges).toContain('gateway:text_completion SmolLM2-135M-Instruct → stage-0:stage.sequence');
  });

  it('names the replica that did the work', () => {
    for (const [index, stage] of STAGES.entries()) {
      const replicas = new Set(spansOf(stage).map((span) => tagOf(span, ATTRIBUTES.replica)));
      expect([...replicas].map((replica) => `${stage}/${String(replica)}`)).toEqual([route[index]]);
    }
  });

  it('has a span for each chunk of the prompt, and totals that miss no step', () => {
    for (const stage of STAGES) {
      const spans = spansOf(stage);
      const chunks = spans.filter(({ operationName }) => operationName === SPANS.stagePrefill);
      const [sequence] = spans.filter(({ operationName }) => operationName === SPANS.stageSequence);
      expect(chunks.length).toBeGreaterThanOrEqual(2);
      const tokens = chunks.map((span) => Number(tagOf(span, ATTRIBUTES.tokens)));
      expect(tokens.reduce((a, b) => a + b)).toBe(PROMPT.length);
      expect(tagOf(sequence!, ATTRIBUTES.prefillTokens)).toBe(PROMPT.length);
      expect(tagOf(sequence!, ATTRIBUTES.prefillSteps)).toBe(chunks.length);
      expect(tagOf(sequence!, ATTRIBUTES.decodeSteps)).toBe(TOKENS - 1);
    }
  });

  it('uses both replicas, and shows which', async () => {
    const ids = Array.from({ length: 4 }, () => randomBytes(16).toString('hex'));
    await Promise.all(ids.map(async (id) => (await complete(`00-${id}-${'1'.repeat(16)}-01`)).text()));
    const traces = await Promise.all(ids.map(whole));
    const replicas = traces.flatMap((each) =>
      spansOf('stage-1', each).map((span) => tagOf(span, ATTRIBUTES.replica)),
    );
    expect(new Set(replicas).size).toBe(2);
  }, 60_000);

  it('tells where the time went, in parts that sum to what the client measured', async () => {
    const started = performance.now();
    const response = await fetch(`${system.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-layermesh-timing': 'true' },
      body: JSON.stringify({ prompt: PROMPT, max_tokens: 64, temperature: 0, ignore_eos: true }),
    });
    const { timings } = (await response.json()) as { timings: Timings };
    const measured = performance.now() - started;
    const parts =
      timings.tokenize_ms +
      timings.queue_ms +
      timings.route_ms +
      timings.gateway_ms +
      timings.reroute_ms +
      timings.hops.prefill_ms +
      timings.hops.decode_ms +
      timings.stages
        .flatMap(({ prefill, decode }) => [prefill, decode])
        .reduce((sum, { queue_ms, compute_ms }) => sum + queue_ms + compute_ms, 0);
    expect(Math.abs(parts / timings.total_ms - 1)).toBeLessThan(0.03);
    // The client's own connection and parsing are all that is beyond.
    expect(timings.total_ms).toBeLessThan(measured);
    expect(timings.total_ms).toBeGreaterThan(0.8 * measured);
  });

  it('emits every name that telemetry has, each where it was promised, and no other', async () => {
    await (await post(`${system.url}/v1/chat/completions`, chat)).text();
    // Too long for the context: an error is named in its spans.
    const refused = await post(`${system.url}/v1/completions`, { prompt: Array(9_000).fill(400) });
    expect(refused.status).toBe(400);

    // An engine that computes has no need to say so.
    const attributes = Object.values(ATTRIBUTES).filter((key) => key !== ATTRIBUTES.engine);
    const wanted = [...SIGNALS.gateway.spans, ...SIGNALS.stage.spans, ...attributes];
    let missing: string[] = [];
    const emitted = eventually(
      'spans of all names and attributes',
      async () => {
        // The slowest round of a stage may be one that was sampled anyway: then of another request it is not.
        await (await complete(`00-${randomBytes(16).toString('hex')}-${'1'.repeat(16)}-01`)).text();
        const traces = await listTraces(jaeger, ['gateway', ...STAGES]);
        const ours = traces.flatMap((each) =>
          each.spans
            .filter(({ operationName }) => !operationName.startsWith('/'))
            .map((span) => ({ span, service: each.processes[span.processID]!.serviceName })),
        );
        const seen = new Set(
          ours.flatMap(({ span }) => [span.operationName, ...span.tags.map(({ key }) => key)]),
        );
        missing = wanted.filter((name) => !seen.has(name));
        return missing.length === 0 ? ours : null;
      },
      EXPORTED_MS,
    );
    const spans = await emitted.catch((reason: unknown) => {
      throw new Error(`never seen: ${missing.join(', ')}`, { cause: reason });
    });
    const promised: readonly string[] = Object.values(ATTRIBUTES);
    for (const { span, service } of spans) {
      const { spans: names } = service === 'gateway' ? SIGNALS.gateway : SIGNALS.stage;
      // Stages open links, too: to the next one.
      expect([...names, SPANS.link]).toContain(span.operationName);
      const foreign = span.tags.filter(({ key }) => !promised.includes(key) && !OF_JAEGER.test(key));
      expect(foreign).toEqual([]);
    }
    const pages = await Promise.all([
      metricsOf(system.url),
      ...STAGES.flatMap((stage) => system.members(stage)).map(({ serviceHttpPort }) =>
        metricsOf(`http://127.0.0.1:${serviceHttpPort}`),
      ),
    ]);
    expect([...new Set(pages.flat())].sort()).toEqual(Object.values(METRICS).sort());
    const [gateway, ...stages] = pages;
    expect(gateway.filter((name) => !SIGNALS.gateway.metrics.test(name))).toEqual([]);
    expect(stages.flat().filter((name) => !SIGNALS.stage.metrics.test(name))).toEqual([]);
  }, 90_000);
});

interface Timings {
  readonly total_ms: number;
  readonly tokenize_ms: number;
  readonly queue_ms: number;
  readonly route_ms: number;
  readonly gateway_ms: number;
  readonly reroute_ms: number;
  readonly hops: { readonly prefill_ms: number; readonly decode_ms: number };
  readonly stages: readonly Record<'prefill' | 'decode', { queue_ms: number; compute_ms: number }>[];
}

const chat = {
  model: 'default',
  messages: [{ role: 'user', content: 'Say hello.' }],
  max_tokens: 4,
};

/** What Jaeger and the SDK add to every span. */
const OF_JAEGER = /^(span\.kind|error|otel\.|internal\.)/;

/** The names of our own metrics on a page. */
async function metricsOf(url: string): Promise<string[]> {
  const page = await (await fetch(`${url}/metrics`)).text();
  const types = [...page.matchAll(/^# TYPE (layermesh_\w+) (\w+)/gm)];
  return types.map(([, name, type]) =>
    type === 'counter' && !name!.endsWith('_total') ? `${name}_total` : name!,
  );
}
