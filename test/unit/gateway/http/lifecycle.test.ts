import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { eventually } from '../../../support/eventually.js';
import { RawClient } from '../../../support/raw-client.js';
import { OwedTotal } from '../../../../services/lib/openai/event-stream.js';
import { byteTokenizer, say } from '../byte-text.js';
import { stuckAfter, tokensOf, type Script } from '../scripted-backend.js';
import { startTestGateway, type TestGateway, type TestGatewayOptions } from '../test-gateway.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const CHAT = '/v1/chat/completions';
const body = { messages: [{ role: 'user', content: 'Hello' }], max_tokens: 100 };

describe('a request', () => {
  let gateway: TestGateway;
  const start = async (options?: TestGatewayOptions): Promise<void> => {
    gateway = await startTestGateway(options);
  };
  afterEach(() => gateway.close());

  test.each([true, false])(
    'whose client goes away frees its sequences at once (stream %p)',
    async (stream) => {
      await start();
      gateway.backend.script = stuckAfter(Buffer.from('begun'));
      const leave = new AbortController();
      const response = fetch(gateway.url + CHAT, {
        method: 'POST',
        headers: JSON_TYPE,
        body: JSON.stringify({ ...body, stream, n: 2 }),
        signal: leave.signal,
      });
      const gone = response.then((answer) => answer.text()).catch(() => 'gone');
      await eventually('both choices run', () => gateway.backend.open === 2);

      const left = performance.now();
      leave.abort();
      await eventually('both are freed', () => gateway.backend.open === 0 && gateway.admission.running === 0);
      expect(performance.now() - left).toBeLessThan(1000);
      expect(gateway.backend.signals.every(({ aborted }) => aborted)).toBe(true);
      expect(await gone).toBe('gone');
      expect(await gateway.metric('layermesh_request_failure_total{reason="client_disconnected"}')).toBe(1);
    },
  );

  test('beyond the queue is refused at once with 429, and one that leaves the queue makes room', async () => {
    await start({ admission: { maxRunning: 1, maxWaiting: 1 } });
    gateway.backend.script = stuckAfter([]);
    const [first, second] = [new AbortController(), new AbortController()];
    const send = ({ signal }: AbortController): Promise<string> =>
      fetch(gateway.url + CHAT, {
        method: 'POST',
        headers: JSON_TYPE,
        body: JSON.stringify(body),
        signal,
      }).then(
        (response) => String(response.status),
        () => 'gone',
      );
    const running = send(first);
    await eventually('the first runs', () => gateway.admission.running === 1);
    const waiting = send(second);
    await eventually('the second waits', () => gateway.admission.waiting === 1);
    expect(await gateway.metric('layermesh_requests_running')).toBe(1);
    expect(await gateway.metric('layermesh_requests_waiting')).toBe(1);

    const refused = await gateway.post(CHAT, body);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await refused.json()).toMatchObject({
      error: { code: 'too_many_requests', type: 'rate_limit_error' },
    });

    second.abort();
    await eventually('the queue is empty', () => gateway.admission.waiting === 0);
    first.abort();
    await eventually('nothing runs', () => gateway.admission.running === 0);
    expect(await Promise.all([running, waiting])).toEqual(['gone', 'gone']);
    expect(gateway.backend.requests).toHaveLength(1);
  });

  describe('whose answer is large', () => {
    const PIECE = 1 << 16;
    const wordy = { ...byteTokenizer, bytesOf: () => Buffer.alloc(PIECE, 'x') };
    const limits = { contextLength: 2000, tokenizer: wordy };
    const large = JSON.stringify({ ...body, max_tokens: 500, n: 2, stream: true });
    let produced = 0;
    beforeEach(() => (produced = 0));

    const endless: Script = async function* () {
      for (;;) {
        produced += PIECE;
        yield await Promise.resolve(0);
      }
    };

    test('is generated no faster than its client reads', async () => {
      await start(limits);
      gateway.backend.script = endless;
      const client = request(gateway.url + CHAT, { method: 'POST', headers: JSON_TYPE });
      client.end(large);
      const [response] = (await once(client, 'response')) as [AsyncIterable<Buffer>];
      let received = 0;
      for await (const piece of response) {
        received += piece.length;
        // 64 MB in all; the sockets of both sides hold a few.
        expect(produced - received).toBeLessThan(20 << 20);
      }
      expect(produced).toBe(1000 * PIECE);
    });

    test('is given up when its client reads nothing', async () => {
      await start({ ...limits, limits: { stallMs: 100 } });
      gateway.backend.script = endless;
      const client = connect(Number(new URL(gateway.url).port), '127.0.0.1').pause();
      client.on('error', () => undefined);
      client.write(
        `POST ${CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
          `content-length: ${large.length}\r\n\r\n${large}`,
      );
      await eventually('both choices run', () => gateway.backend.open === 2);
      await eventually('both are freed', () => gateway.backend.open === 0 && gateway.admission.running === 0);
      expect(produced).toBeLessThan(1000 * PIECE);
      client.destroy();
    });
  });

  describe('beside 50 clients that read a byte a second', () => {
    const slow = async (tokens: number): Promise<RawClient> => {
      const client = await RawClient.connect(Number(new URL(gateway.url).port));
      client.socket.pause();
      return client.post(CHAT, { ...body, max_tokens: tokens, stream: true });
    };
    const drip = (clients: readonly RawClient[]): NodeJS.Timeout =>
      setInterval(() => clients.forEach(({ socket }) => void socket.read(1)), 1000);

    test('is answered at once: what they have not read is kept for them, and their places are free', async () => {
      const wordy = { ...byteTokenizer, bytesOf: () => Buffer.alloc(1 << 16, 'x') };
      await start({
        admission: { maxRunning: 32, maxWaiting: 64 },
        contextLength: 2000,
        tokenizer: wordy,
        // 6 MiB in all, of which the system takes some.
        limits: { owedBytes: 8 << 20, owed: new OwedTotal(1 << 30) },
      });
      gateway.backend.script = tokensOf(Array<number>(500).fill(0));
      const clients = await Promise.all(Array.from({ length: 50 }, () => slow(96)));
      const reading = drip(clients);
      await eventually(
        'all are generated',
        async () => {
          const line = 'layermesh_request_success_total{finished_reason="length"}';
          return (await gateway.metric(line)) === 50;
        },
        30_000,
      );
      expect(gateway.admission.running).toBe(0);
      expect(gateway.owed.bytes).toBeGreaterThan(50 << 16);
      const began = performance.now();
      expect((await gateway.post(CHAT, { ...body, max_tokens: 5 })).status).toBe(200);
      expect(performance.now() - began).toBeLessThan(1000);
      clearInterval(reading);
      for (const { socket } of clients) socket.destroy();
      await eventually('nothing is left', () => gateway.admission.running === 0 && gateway.owed.bytes === 0);
    });

    test('is answered once those that are owed too much are cut off, however they drip', async () => {
      const wordy = { ...byteTokenizer, bytesOf: () => Buffer.alloc(1 << 16, 'x') };
      await start({
        admission: { maxRunning: 32, maxWaiting: 64 },
        contextLength: 2000,
        tokenizer: wordy,
        limits: { stallMs: 500 },
      });
      gateway.backend.script = tokensOf(Array<number>(500).fill(0));
      const clients = await Promise.all(Array.from({ length: 50 }, () => slow(500)));
      const reading = drip(clients);
      const began = performance.now();
      expect((await gateway.post(CHAT, { ...body, max_tokens: 5 })).status).toBe(200);
      expect(performance.now() - began).toBeLessThan(20_000);
      await eventually('nothing is left', () => gateway.admission.running === 0 && gateway.owed.bytes === 0);
      clearInterval(reading);
      for (const { socket } of clients) socket.destroy();
      expect(gateway.backend.open).toBe(0);
    });
  });

  test('keeps the client posted while nothing is generated', async () => {
    await start({ limits: { keepAliveMs: 5 } });
    gateway.backend.script = stuckAfter([]);
    const client = request(gateway.url + CHAT, { method: 'POST', headers: JSON_TYPE });
    client.end(JSON.stringify({ ...body, stream: true }));
    const [response] = (await once(client, 'response')) as [AsyncIterable<Buffer>];
    let text = '';
    for await (const piece of response) {
      text += piece.toString();
      if (text.includes(': keep-alive\n\n: keep-alive\n\n')) break;
    }
    expect(text).toMatch(/^data: .*\n\n: keep-alive\n\n/);
    client.destroy();
  });

  test('that fails after its sequences were opened leaves none of them open', async () => {
    const strict = {
      ...byteTokenizer,
      bytesOf: () => {
        throw new Error('not a token');
      },
    };
    await start({ tokenizer: strict });
    gateway.backend.script = stuckAfter(Buffer.from('x'));
    expect((await gateway.post(CHAT, { ...body, n: 2 })).status).toBe(500);
    expect(gateway.backend.signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });

  test('is measured', async () => {
    await start();
    gateway.backend.script = tokensOf(say('four'));
    await gateway.post(CHAT, body);
    await gateway.post(CHAT, { ...body, max_tokens: 2 });
    await gateway.post(CHAT, '{');
    const values = {
      'layermesh_request_success_total{finished_reason="stop"}': 1,
      'layermesh_request_success_total{finished_reason="length"}': 1,
      'layermesh_request_failure_total{reason="invalid_json"}': 1,
      layermesh_prompt_tokens_total: 46,
      layermesh_generation_tokens_total: 7,
      layermesh_time_to_first_token_seconds_count: 2,
      layermesh_inter_token_latency_seconds_count: 5,
      layermesh_e2e_request_latency_seconds_count: 2,
      layermesh_request_queue_time_seconds_count: 2,
      layermesh_requests_running: 0,
    };
    for (const [line, value] of Object.entries(values)) {
      expect([line, await gateway.metric(line)]).toEqual([line, value]);
    }
  });
});
