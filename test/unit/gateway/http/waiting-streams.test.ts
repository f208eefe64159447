import Anthropic from '@anthropic-ai/sdk';
import { setTimeout as delay } from 'node:timers/promises';
import type { Permit } from '../../../../services/gateway/admission.js';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { eventually } from '../../../support/eventually.js';
import { say } from '../byte-text.js';
import { MemoryDocuments } from '../memory-documents.js';
import { tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway, type TestGatewayOptions } from '../test-gateway.js';

const KEY = 'sk-alice-0123456789';
const PLACES = 4;
const messages = [{ role: 'user' as const, content: 'Hi' }];
const COMMENT = /^(?:: keep-alive\n\n)+$/;
const PING = /^(?:event: ping\ndata: {"type":"ping"}\n\n)+$/;

let gateway: TestGateway;
/** Of all places, so that whatever is asked waits until it is released. */
let places: Permit;
afterEach(() => gateway.close());

async function start(options: TestGatewayOptions = {}): Promise<void> {
  gateway = await startTestGateway({
    ...options,
    limits: { keepAliveMs: 20 },
    admission: { maxRunning: PLACES, ...options.admission },
  });
  gateway.backend.script = tokensOf(say('Hello'));
  places = await gateway.admission.acquire(PLACES, new AbortController().signal);
}

const refuse = (): void => {
  gateway.backend.refusal = new ServingError('stage_unavailable', 'stage-1 has no replica');
};

/** Of each API: a request, what its stream says while it waits, and what it ends with. */
const STREAMS = [
  ['/v1/chat/completions', { messages }, COMMENT, 'data: [DONE]\n\n'],
  ['/v1/completions', { prompt: 'Hi' }, COMMENT, 'data: [DONE]\n\n'],
  ['/v1/responses', { input: 'Hi' }, COMMENT, '"type":"response.completed"'],
  ['/v1/messages', { messages, max_tokens: 50 }, PING, '"type":"message_stop"'],
] as const;

describe('a stream whose request waits for longer than a keep-alive', () => {
  it.each(STREAMS)('of %s begins, shows that it lives, and goes on', async (path, body, life, end) => {
    await start();
    const asked = { model: 'tester', ...body, stream: true };
    const response = await gateway.post(path, asked, { 'x-request-id': 'r7' });
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'x-request-id': 'r7',
    });
    expect(response.headers.get('x-layermesh-route')).toBeNull();
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const waited = (await reader.read()).value ?? '';
    expect(waited).toMatch(life);
    places.release();
    let text = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    expect(text).toContain(end);
    expect(text).not.toMatch(/"error":(?!null)/);
  });

  it.each([
    ['/v1/chat/completions', { messages }, undefined, { error: { code: 'stage_unavailable' } }],
    ['/v1/completions', { prompt: 'Hi' }, undefined, { error: { code: 'stage_unavailable' } }],
    [
      '/v1/responses',
      { input: 'Hi' },
      'error',
      { type: 'error', code: 'stage_unavailable', sequence_number: 0 },
    ],
    [
      '/v1/messages',
      { messages, max_tokens: 50 },
      'error',
      { type: 'error', error: { type: 'overloaded_error' }, request_id: 'r7' },
    ],
  ] as const)('of %s tells by an event why it comes to nothing', async (path, body, name, error) => {
    const documents = new MemoryDocuments();
    await start({ documents });
    const asked = { model: 'tester', ...body, stream: true };
    const response = await gateway.post(path, asked, { 'x-request-id': 'r7' });
    expect(response.status).toBe(200);
    refuse();
    places.release();
    const last = (await response.text()).trimEnd().split('\n\n').at(-1)!;
    const [, event, data] = /^(?:event: (\w+)\n)?data: (.*)$/.exec(last)!;
    expect(event).toBe(name);
    expect(JSON.parse(data!)).toMatchObject(error);
    expect(gateway.admission.running).toBe(0);
    expect(await gateway.metric('layermesh_request_failure_total{reason="stage_unavailable"}')).toBe(1);
    expect([...documents.kept.keys()].filter((key) => key.startsWith('response-'))).toEqual([]);
  });

  it.each(STREAMS)('of %s is refused with a status where that is known at once', async (path, body) => {
    await start({ admission: { maxWaiting: 0 } });
    const asked = { model: 'tester', ...body, stream: true };
    const full = await gateway.post(path, asked);
    expect([full.status, full.headers.get('x-should-retry')]).toEqual([429, 'true']);
    expect(full.headers.get('content-type')).toContain('application/json');
    places.release();
    refuse();
    const gone = await gateway.post(path, asked);
    expect([gone.status, gone.headers.get('x-should-retry')]).toEqual([503, 'true']);
    expect(gone.headers.get('content-type')).toContain('application/json');
  });

  it('says in its head what its key has left, with its own tokens set aside', async () => {
    await start({ keys: JSON.stringify([{ name: 'alice', key: KEY, tokens_per_minute: 1_000 }]) });
    const response = await gateway.post(
      '/v1/chat/completions',
      { model: 'tester', messages, max_tokens: 50, stream: true },
      { authorization: `Bearer ${KEY}` },
    );
    expect(response.headers.get('x-ratelimit-limit-tokens')).toBe('1000');
    expect(Number(response.headers.get('x-ratelimit-remaining-tokens'))).toBeLessThanOrEqual(950);
    places.release();
    expect(await response.text()).toContain('[DONE]');
  });

  it('is read to its end by the official clients', async () => {
    await start();
    const model = 'tester';
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'none', maxRetries: 0 });
    const chat = gateway.client.chat.completions.stream({ model, messages }).finalContent();
    const whole = gateway.client.responses.stream({ model, input: 'Hi' }).finalResponse();
    const message = anthropic.messages.stream({ model, messages, max_tokens: 50 }).finalMessage();
    await eventually('all wait', () => gateway.admission.waiting === 3);
    await delay(60);
    places.release();
    expect(await chat).toBe('Hello');
    expect((await whole).output_text).toBe('Hello');
    expect((await message).content).toMatchObject([{ text: 'Hello' }]);
  });
});
