import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { pino } from 'pino';
import { say } from '../byte-text.js';
import { stuckAfter, tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

const KEY = 'sk-secretkey-0123456789';
const WRONG = 'sk-secretwrong-0123456789';
const OPERATOR = 'op-secretkey-0123456789';
/** In every key and prompt here. */
const SECRET = /secret/;

describe('keys and prompts', () => {
  const lines: string[] = [];
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway({
      keys: JSON.stringify([{ name: 'alice', key: KEY }]),
      operatorKey: OPERATOR,
      tracer: provider.getTracer('test'),
      log: pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) }),
    });
  });
  afterAll(() => gateway.close());

  const prompt = 'a secret prompt';
  const messages = [{ role: 'user', content: prompt }];
  const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });
  const post = async (path: string, body: unknown, key = KEY): Promise<string> => {
    const response = await gateway.post(path, body, bearer(key));
    return response.text().catch(() => '');
  };

  test('are in no log, no span and no error, whatever goes wrong', async () => {
    const errors: string[] = [];
    const failing: [body: unknown, key?: string][] = [
      [`{"prompt": "${prompt}`],
      [`{"prompt": ${prompt}}`],
      [prompt],
      [`{"prompt": "${prompt}", x}`],
      [{ prompt, temperature: 9 }],
      [{ prompt, logprobs: 5 }],
      [{ prompt, model: 'another' }],
      [{ prompt: [prompt, 7] }],
      [{ prompt: prompt.repeat(200) }],
      [{ prompt }, WRONG],
      [{ prompt }, OPERATOR],
    ];
    gateway.backend.script = tokensOf(say('ok'));
    for (const path of ['/v1/completions', '/v1/chat/completions', '/detokenize'])
      for (const [body, key] of failing) errors.push(await post(path, body, key));
    for (const content of [[{ type: 'image_url', image_url: prompt }], [prompt], { text: prompt }])
      errors.push(await post('/v1/chat/completions', { messages: [{ role: 'user', content }] }));
    errors.push(await post('/v1/chat/completions', { messages, n: 17 }));
    expect(errors.filter((text) => !text.startsWith('{"error"'))).toEqual([]);

    gateway.backend.refusal = new Error('a bug');
    errors.push(await post('/v1/completions', { prompt }));
    gateway.backend.refusal = null;
    gateway.backend.script = async function* () {
      yield* await Promise.resolve(say('o').slice(0, 1));
      throw new Error('a bug in the midst');
    };
    errors.push(await post('/v1/chat/completions', { messages, stream: true }));

    gateway.backend.script = stuckAfter(say('o').slice(0, 1));
    const leave = new AbortController();
    const left = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(KEY) },
      body: JSON.stringify({ messages, stream: true }),
      signal: leave.signal,
    });
    leave.abort();
    await left.text().catch(() => undefined);
    for (const path of [`/v1/models?key=${KEY}`, `/topology?key=${OPERATOR}`, '/metrics'])
      errors.push(await (await fetch(gateway.url + path, { headers: bearer(WRONG) })).text());

    await provider.forceFlush();
    const spans = exporter
      .getFinishedSpans()
      .map(({ name, attributes, status, events }) => JSON.stringify({ name, attributes, status, events }));
    const metrics = await (await fetch(`${gateway.url}/metrics`, { headers: bearer(OPERATOR) })).text();
    expect(lines.length).toBeGreaterThan(1);
    expect(spans.length).toBeGreaterThan(20);
    expect(metrics).toContain('layermesh_request_failure_total{model_name="",reason="invalid_api_key"');
    for (const text of [...errors, ...lines, ...spans, metrics]) expect(text).not.toMatch(SECRET);
  });
});
