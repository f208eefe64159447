import type { Report } from '../../../../services/gateway/report/report.js';
import { edges, hasFailed, recordSpans } from '../../../support/spans.js';
import { say } from '../byte-text.js';
import { tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const request = { model: 'tester', prompt: 'zebra', max_tokens: 4 };
const { tracer, spans } = recordSpans();
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway({ tracer, report: () => ({ window_s: 1 }) as Report });
});
afterAll(() => gateway.close());

const spansSince = (before: number) => spans().slice(before);

describe('a traced request', () => {
  it('has a server span under the traceparent of its client, and all phases under it', async () => {
    gateway.backend.script = tokensOf(say('four'));
    const before = spans().length;
    const response = await gateway.post('/v1/completions', request, { traceparent: TRACEPARENT });
    await response.text();
    const made = spansSince(before);
    expect(edges(made)).toEqual(
      [
        'outside → POST /v1/completions',
        'POST /v1/completions → text_completion test/model',
        'text_completion test/model → tokenize',
        'text_completion test/model → admission',
        'text_completion test/model → route',
      ].sort(),
    );
    const server = made.find(({ name }) => name.startsWith('POST'))!;
    expect(server.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    expect(server.attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/v1/completions',
      'http.response.status_code': 200,
    });
    const own = `00-0af7651916cd43dd8448eb211c80319c-${server.spanContext().spanId}-01`;
    expect(response.headers.get('traceparent')).toBe(own);
    expect(response.headers.get('traceresponse')).toBe(own);
    expect(made.find(({ name }) => name.startsWith('text_completion'))!.attributes).toMatchObject({
      'gen_ai.operation.name': 'text_completion',
      'gen_ai.request.model': 'test/model',
      'gen_ai.request.max_tokens': 4,
      'gen_ai.usage.input_tokens': 6,
      'gen_ai.usage.output_tokens': 4,
      'gen_ai.response.finish_reasons': ['length'],
    });
  });

  it('holds no text of the prompt', () => {
    const texts = spans().flatMap(({ attributes }) => Object.values(attributes).map(String));
    expect(texts.filter((text) => text.includes('zebra'))).toEqual([]);
  });

  it('names the error that it failed with', async () => {
    const before = spans().length;
    await gateway.post('/v1/completions', { ...request, prompt: 'x'.repeat(500) });
    const failed = spansSince(before).filter(hasFailed);
    expect(failed.map(({ attributes }) => attributes['error.type'])).toContain('context_length_exceeded');
  });

  it('is the exemplar of the latencies that it had', async () => {
    gateway.backend.script = tokensOf(say('four'));
    const response = await gateway.post('/v1/completions', request, { traceparent: TRACEPARENT });
    await response.text();
    const accept = 'application/openmetrics-text';
    const metrics = await (await fetch(`${gateway.url}/metrics`, { headers: { accept } })).text();
    const bucket = /^layermesh_time_to_first_token_seconds_bucket.* # \{trace_id="(\w+)"\}/m.exec(metrics);
    expect(bucket?.[1]).toHaveLength(32);
  });
});

describe('before an engine that only takes time', () => {
  it('a span says so', async () => {
    const engine = 'timed (a100-40g, cost model 1)';
    const timed = await startTestGateway({ tracer, engine });
    timed.backend.script = tokensOf(say('four'));
    const before = spans().length;
    await (await timed.post('/v1/completions', request)).text();
    await timed.close();
    const answered = spansSince(before).find(({ name }) => name.startsWith('text_completion'))!;
    expect(answered.attributes['layermesh.engine']).toBe(engine);
  });
});

describe('where the time went', () => {
  const timed = { 'x-layermesh-timing': 'true' };

  it('is told only to who asks', async () => {
    gateway.backend.script = tokensOf(say('four'));
    const plain = await gateway.post('/v1/completions', request);
    expect(plain.headers.get('server-timing')).toBeNull();
    expect(await plain.json()).not.toHaveProperty('timings');
    const response = await gateway.post('/v1/completions', request, timed);
    expect(response.headers.get('server-timing')).toMatch(/^total;dur=[\d.]+, tokenize;dur=/);
    expect(await response.json()).toHaveProperty('timings.total_ms');
  });

  it('comes after the last choice of a stream', async () => {
    gateway.backend.script = tokensOf(say('four'));
    const response = await gateway.post('/v1/completions', { ...request, stream: true }, timed);
    expect(response.headers.get('trailer')).toBe('server-timing');
    const events = (await response.text()).trim().split('\n\n');
    expect(events.at(-1)).toBe('data: [DONE]');
    const last = JSON.parse(events.at(-2)!.slice(6)) as { choices: unknown[]; timings: object };
    expect(last.choices).toEqual([]);
    expect(last.timings).toHaveProperty('total_ms');
  });
});

describe('/report', () => {
  it('answers for a window', async () => {
    expect(await (await fetch(`${gateway.url}/report?window=5`)).json()).toEqual({ window_s: 1 });
  });

  it.each(['0', '601', '1.5', 'x'])('refuses a window of %s', async (window) => {
    const response = await fetch(`${gateway.url}/report?window=${window}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'invalid_value', param: 'window' } });
  });
});
