import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { TEXT_POOL_LIMITS, TextPool, type TextPoolLimits } from '../../../services/gateway/text/text-pool.js';
import { sizeOf, type TextTask } from '../../../services/gateway/text/text-task.js';
import { textLimitOf, TextWork } from '../../../services/gateway/text/text-work.js';
import { tokenizerFromGguf } from '../../../services/lib/model/gguf/tokenizer.js';
import { loadTokenizer } from '../../../services/lib/model/text/tokenizer.js';
import { eventually } from '../../support/eventually.js';
import { thrownBy } from '../../support/thrown-by.js';
import { typescriptWorker } from '../../support/typescript-worker.js';
import { byteLevelMetadata } from '../model/text/vocabularies.js';
import { tokensOf } from './scripted-backend.js';
import { say } from './byte-text.js';
import { startTestGateway } from './test-gateway.js';

const never = new AbortController().signal;
const prompt = (text: string): TextTask => ({
  kind: 'prompts',
  texts: [text],
  options: { addSpecialTokens: false },
  limit: null,
});

/** Over a connection of its own, as a probe. */
const statusOf = (url: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    }).once('error', reject);
  });

const p99 = (times: readonly number[]): number =>
  times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]!;

describe('the text workers', () => {
  const files = tokenizerFromGguf(byteLevelMetadata());
  const tokenizer = loadTokenizer(files);
  const prepared = mkdtempSync(join(tmpdir(), 'layermesh-'));
  writeFileSync(join(prepared, 'tokenizer.json'), JSON.stringify(files.tokenizer));
  writeFileSync(join(prepared, 'tokenizer_config.json'), JSON.stringify(files.tokenizerConfig));
  afterAll(() => rmSync(prepared, { recursive: true }));

  let pool: TextPool;
  const startWorker = (): Worker => typescriptWorker('services/gateway/text/text-worker.ts', { prepared });
  const start = (limits: Partial<TextPoolLimits> = {}): void => {
    pool = new TextPool(startWorker, { ...TEXT_POOL_LIMITS, ...limits });
  };
  afterEach(() => pool.close());

  it('do what would be done at once, and say what would be thrown', async () => {
    start();
    expect(await pool.run(prompt('a the 1234'), never)).toEqual({
      ids: [tokenizer.encode('a the 1234', { addSpecialTokens: false })],
      text: '',
    });
    const ids = tokenizer.encode('hé', { addSpecialTokens: false });
    expect((await pool.run({ kind: 'decode', ids }, never)).text).toBe('hé');
    const messages = [{ role: 'user', content: 'a' }];
    const options = { addGenerationPrompt: true, addSpecialTokens: false };
    const chat = { kind: 'chat', messages, options, limit: null } as const;
    expect(await thrownBy(() => pool.run(chat, never))).toMatchObject({ code: 'chat_template_missing' });
    expect([pool.running, pool.waiting]).toEqual([0, 0]);
  });

  it('refuse what would wait behind too many, and let short texts pass', async () => {
    start({ workers: 1, maxWaiting: 3 });
    const order: string[] = [];
    const run = async (name: string, text: string): Promise<void> => {
      await pool.run(prompt(text), never);
      order.push(name);
    };
    const asked = [run('first', 'a'.repeat(50_000)), run('long', 'a'.repeat(50_000))];
    asked.push(run('short', 'a'.repeat(3_000)), run('longer', 'a'.repeat(60_000)));
    expect(await thrownBy(() => run('fifth', 'a'))).toMatchObject({ code: 'too_many_requests' });
    await Promise.all(asked);
    expect(order).toEqual(['first', 'short', 'long', 'longer']);
  });

  it('keep one of them free of long texts', async () => {
    start();
    const long = [1, 2, 3].map(() => pool.run(prompt('a'.repeat(200_000)), never));
    const began = performance.now();
    await pool.run(prompt('a'.repeat(5_000)), never);
    expect([pool.running, pool.waiting]).toEqual([1, 2]);
    await Promise.all(long);
    expect(performance.now() - began).toBeGreaterThan(0);
  });

  it('give up what takes too long, and go on with others', async () => {
    start({ workers: 1, timeoutMs: 300 });
    const [endless, next] = [pool.run(prompt('a'.repeat(4_000_000)), never), pool.run(prompt('ab'), never)];
    endless.catch(() => undefined);
    // The short one goes first unless the long one has begun.
    expect((await next).ids[0]).toHaveLength(2);
    expect(await thrownBy(() => endless)).toMatchObject({ code: 'request_too_large', kind: { http: 413 } });
    expect((await pool.run(prompt('abc'), never)).ids[0]).toHaveLength(3);
  });

  it("give up a client's template that does not end", async () => {
    start({ workers: 1, timeoutMs: 300 });
    const rows = '{% for i in range(100000) %}{% for k in range(100000) %}{% endfor %}{% endfor %}';
    const options = { addGenerationPrompt: true, chatTemplate: rows };
    const chat = { kind: 'chat', messages: [{ role: 'user', content: 'a' }], options, limit: null } as const;
    const work = new TextWork({} as never, pool);
    expect(await thrownBy(() => work.run(chat, never))).toMatchObject({ code: 'request_too_large' });
  });

  it('forget whose client goes, running or waiting', async () => {
    start({ workers: 1 });
    const [running, waiting] = [new AbortController(), new AbortController()];
    const asked = [pool.run(prompt('a'.repeat(4_000_000)), running.signal)];
    await eventually('it runs', () => pool.running === 1);
    asked.push(pool.run(prompt('a'), waiting.signal));
    waiting.abort(new Error('left'));
    expect(pool.waiting).toBe(0);
    running.abort(new Error('left'));
    for (const each of await Promise.allSettled(asked))
      expect(each).toMatchObject({ reason: { message: 'left' } });
    await eventually('its worker is free', () => pool.running === 0);
    expect((await pool.run(prompt('ab'), never)).ids[0]).toHaveLength(2);
  });

  it('get nothing to do while they are being ended, though what they have said still comes', async () => {
    let isAtLongOne = false;
    const worker = (): Worker => {
      const events = new EventEmitter();
      const tell = (reply: object): void => void events.emit('message', reply);
      const done = (): void => tell({ type: 'done', result: { ids: [], text: 'done' } });
      setImmediate(() => tell({ type: 'ready' }));
      return Object.assign(events, {
        unref: () => undefined,
        postMessage: (task: TextTask) => {
          if (sizeOf(task) < 100) setImmediate(done);
          else isAtLongOne = true;
        },
        // It had just done the long one when it was given up.
        terminate: () => {
          setImmediate(() => {
            if (isAtLongOne) done();
            isAtLongOne = false;
            events.emit('exit');
          });
          return Promise.resolve(1);
        },
      }) as unknown as Worker;
    };
    pool = new TextPool(worker, { ...TEXT_POOL_LIMITS, workers: 1 });
    const leave = new AbortController();
    const given = pool.run(prompt('a'.repeat(100_000)), leave.signal);
    const next = pool.run(prompt('b'), never);
    await eventually('the first is begun', () => isAtLongOne);
    leave.abort(new Error('left'));
    await expect(given).rejects.toThrow('left');
    expect((await next).text).toBe('done');
  });

  it('fail what they cannot begin', async () => {
    pool = new TextPool(() => new Worker('throw new Error("no room")', { eval: true }));
    const message = 'the text worker failed: Error: no room';
    expect(await thrownBy(() => pool.run(prompt('a'), never))).toMatchObject({ code: 'internal', message });
    expect([pool.running, pool.waiting]).toEqual([0, 0]);
  });

  it('hold up nothing: /health is answered within 50 ms while ten prompts of 250 kB of one letter are encoded', async () => {
    start();
    const gateway = await startTestGateway({
      tokenizer,
      textPool: pool,
      contextLength: 1 << 20,
      limits: { bodyBytes: 4 << 20 },
    });
    gateway.backend.script = tokensOf(say(''));
    const body = JSON.stringify({ prompt: 'a'.repeat(250_000), max_tokens: 1 });
    let left = 10;
    const ask = async (): Promise<number> => {
      const { status } = await gateway.post('/v1/completions', body);
      left -= 1;
      return status;
    };
    const took: number[] = [];
    const probe = async (times: number[]): Promise<void> => {
      const began = performance.now();
      expect(await statusOf(`${gateway.url}/health`)).toBe(200);
      times.push(performance.now() - began);
    };
    // What the machine itself is worth just now.
    const idle: number[] = [];
    while (idle.length < 200) await probe(idle);
    const asked = Array.from({ length: 10 }, ask);
    while (left > 0) await probe(took);
    expect(await Promise.all(asked)).toEqual(Array(10).fill(200));
    expect(took.length).toBeGreaterThan(100);
    expect(p99(took)).toBeLessThan(50 + p99(idle));
    await gateway.close();
  });

  it('are not asked for what cannot fit the context', async () => {
    start();
    const limit = textLimitOf(files, tokenizer, 100)!;
    // Its longest token is <user-defined>.
    expect(limit.bytes).toBe(100 * '<user-defined>'.length);
    const gateway = await startTestGateway({ tokenizer, textPool: pool, textLimit: limit });
    for (const [path, body] of [
      ['/v1/completions', { prompt: 'a'.repeat(1401) }],
      ['/v1/chat/completions', { messages: [{ role: 'user', content: 'a'.repeat(1401) }] }],
    ] as const) {
      const response = await gateway.post(path, body);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ error: { code: 'context_length_exceeded' } });
    }
    await gateway.close();
  });

  it.each([
    ['a normalizer that shortens', { normalizer: { type: 'NFC' } }],
    [
      'a token that swallows spaces',
      { added_tokens: [{ id: 0, content: 'x', special: true, lstrip: true }] },
    ],
  ])('may be asked for anything where there is %s', (_what, change) => {
    start();
    const changed = { ...files, tokenizer: { ...(files.tokenizer as object), ...change } };
    expect(textLimitOf(changed, tokenizer, 100)).toBeNull();
  });
});
