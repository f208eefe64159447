import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { z } from 'zod';
import { generationFields } from '../../../../services/lib/openai/generation-fields.js';
import { refusedInChat, refusedInCompletions } from '../../../../services/lib/openai/fields/refused.js';
import { templateFields } from '../../../../services/lib/openai/chat-request.js';
import { toolFields } from '../../../../services/lib/openai/tools.js';
import { say } from '../byte-text.js';
import { tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

/** Every field is theirs; the others read only some, which have a place of their own below. */
const GENERATING = ['/v1/chat/completions', '/v1/completions'];
const POST_ROUTES = [...GENERATING, '/tokenize', '/detokenize'];
const READ_MESSAGES = ['/v1/chat/completions', '/tokenize'];
const messages = [{ role: 'user', content: 'Hello' }];

/** A body that every route takes, each reading its own fields. */
const good = { messages, prompt: 'Hello', tokens: [72], max_tokens: 3 };

const nested = (depth: number, open = '[', close = ']'): string => open.repeat(depth) + close.repeat(depth);

/** One for each way of asking too much of a program. */
const ABUSES: readonly (readonly [what: string, json: string])[] = [
  ['nested arrays', nested(100_000)],
  ['nested objects', `${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}`],
  ['a long array of numbers', JSON.stringify(Array(130_000).fill(1))],
  ['a long array of strings', JSON.stringify(Array(130_000).fill('x'))],
  ['a long array of empty strings', JSON.stringify(Array(130_000).fill(''))],
  ['a long array of objects', JSON.stringify(Array(100_000).fill({}))],
  ['a long array in an array', JSON.stringify([Array(130_000).fill('x')])],
  ['a long array of null in an array', JSON.stringify([Array(130_000).fill(null)])],
  ['long mixed arrays', JSON.stringify([...Array<number>(100_000).fill(1), 'x', null])],
  ['many keys', JSON.stringify(Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, 'x'])))],
  [
    'many numbers as keys',
    JSON.stringify(Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [i, 'x']))),
  ],
  ['__proto__', '{"__proto__":{"length":1,"type":"text"},"constructor":{"prototype":{}}}'],
  ['toJSON, then and length', '{"toJSON":1,"then":1,"length":1e9,"type":"text","toString":1,"valueOf":1}'],
  ['a long word', JSON.stringify('a'.repeat(500_000))],
  ['many spaces', JSON.stringify(' '.repeat(500_000))],
  ['many digits', JSON.stringify('9'.repeat(500_000))],
  ['a number of many digits', '9'.repeat(100_000)],
  ['a number too great', '1e999'],
  ['a number too small', '-1e999'],
  ['a number next to nothing', '5e-324'],
  ['minus zero', '-0'],
  ['half a surrogate pair', '"\\ud800"'],
  ['control characters', '"\\u0000\\u0007\\u2028\\r\\n"'],
  ['a list of lists of lists', '[[[]]]'],
  ['false', 'false'],
  ['text', '"text"'],
];

const FIELDS = [
  ...new Set([
    ...Object.keys(generationFields),
    ...Object.keys(templateFields),
    ...Object.keys(toolFields),
    ...Object.keys(refusedInChat),
    ...Object.keys(refusedInCompletions),
    ...['prompt', 'messages', 'tokens', '__proto__', 'constructor', 'unheard_of'],
  ]),
];

/**
 * Of fields that are read alike, one. The check puts long values into these alone, for each takes a server tens of
 * milliseconds; with LAYERMESH_FUZZ=full they are put into all.
 */
const READ_UNLIKE = [...new Map(FIELDS.map((field) => [wayToRead(field), field])).values()];
const LONG = 10_000;
const ONLY_IN_COMPLETIONS = Object.keys(refusedInCompletions).filter((field) => !(field in refusedInChat));
/** The two routes that generate read what they have in common alike: what is long is put into it once. */
const fieldsFor = (path: string, json: string): readonly string[] => {
  if (!GENERATING.includes(path)) return [];
  if (json.length < LONG || process.env['LAYERMESH_FUZZ'] === 'full') return FIELDS;
  return path === '/v1/completions' ? ONLY_IN_COMPLETIONS : READ_UNLIKE;
};

function wayToRead(field: string): string {
  const schemas: ReadonlyMap<string, z.core.$ZodType> = new Map(
    Object.entries({ ...generationFields, ...templateFields, ...toolFields }),
  );
  let schema = schemas.get(field);
  if (schema === undefined) {
    const refused = [refusedInChat, refusedInCompletions].find((fields) => Object.hasOwn(fields, field));
    return refused === undefined ? field : String(refused[field]);
  }
  while (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) schema = schema.unwrap();
  const { type } = schema._zod.def;
  return ['string', 'number', 'boolean'].includes(type) ? type : field;
}

describe('whatever a client sends', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway();
    gateway.backend.script = tokensOf(say('ok'));
  });
  afterAll(() => gateway.close());

  /** Answered, or refused in our words: never a fault of the server. */
  async function expectNoFault(response: Response): Promise<void> {
    const text = await response.text();
    if (response.status < 400) return;
    const { error } = JSON.parse(text) as { error: { message: string; type: string; code: string } };
    expect([response.status < 500, error.code, error.message]).toEqual([
      true,
      expect.stringMatching(
        /^(invalid_|unsupported_|context_|request_too|chat_template_|model_not|route_not)/,
      ),
      expect.stringMatching(/^[^\r\n]{1,1200}$/),
    ]);
  }

  const send = async (path: string, json: string): Promise<void> =>
    expectNoFault(await gateway.post(path, json));

  test.each(ABUSES)('%s in any field of any route', async (_what, json) => {
    const rest = JSON.stringify(good).slice(1);
    for (const path of POST_ROUTES) {
      await send(path, json);
      for (const field of fieldsFor(path, json))
        await send(path, `{${JSON.stringify(field)}:${json},${rest}`);
      for (const field of ['prompt', 'messages', 'tokens'])
        await send(path, `{${JSON.stringify(field)}:${json}}`);
      if (!READ_MESSAGES.includes(path)) continue;
      for (const place of [
        `{"role":"user","content":${json}}`,
        `{"role":${json}}`,
        `{"role":"user","content":[{"type":"text","text":${json}}]}`,
        `{"role":"assistant","tool_calls":${json}}`,
        `{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":${json}}}]}`,
        `{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":${JSON.stringify(json)}}}]}`,
      ]) {
        await send(path, `{"messages":[${place}]}`);
      }
    }
  });

  test('the case of the modalities, with its code', async () => {
    const response = await gateway.post(
      '/v1/chat/completions',
      `{"modalities":${nested(100_000)},${JSON.stringify(good).slice(1)}`,
    );
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { code: 'invalid_json' } },
    ]);
  });

  test('any JSON at all', async () => {
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 6 }),
      fc.double(),
      fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
      fc.array(fc.oneof(fc.integer({ min: -2, max: 300 }), fc.string()), { maxLength: 5 }),
      fc.dictionary(fc.oneof(fc.nat(300).map(String), fc.string()), fc.double(), { maxKeys: 3 }),
    );
    const bodies = fc.tuple(
      fc.constantFrom(...POST_ROUTES),
      fc.dictionary(fc.constantFrom(...FIELDS, 'max_tokens'), value, { maxKeys: 5 }),
    );
    const write = (_key: string, each: unknown): unknown => (typeof each === 'bigint' ? Number(each) : each);
    await fc.assert(
      fc.asyncProperty(bodies, ([path, fields]) =>
        send(path, JSON.stringify({ ...good, n: 1, ...fields }, write)),
      ),
      { numRuns: 600 },
    );
  });

  test('any bytes at all, under any type, charset and encoding', async () => {
    const body = JSON.stringify(good);
    const texts = [body, '', ' ', '{', '\ufeff' + body, '{"a":1}{', 'null', '"x"', body.slice(0, -1)];
    const payloads = [
      ...texts.map((text) => Buffer.from(text)),
      Buffer.from(body, 'utf16le'),
      Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
      gzipSync(body),
      gzipSync(Buffer.alloc(200 << 20, ' ')),
      gzipSync(body).subarray(0, 20),
      brotliCompressSync(body),
    ];
    const types = [
      'application/json',
      'application/json; charset=utf-16',
      'application/json; charset=latin1',
    ];
    const more = [
      'application/json; charset="',
      'text/plain',
      'multipart/form-data',
      'x',
      ';',
      'application/vnd.api+json',
    ];
    const encodings = ['identity', 'gzip', 'br', 'deflate', 'zstd', 'gzip, gzip', 'nonsense', ''];
    for (const payload of payloads) {
      for (const type of [...types, ...more]) {
        for (const encoding of encodings) {
          const headers = { 'content-type': type, 'content-encoding': encoding };
          await expectNoFault(
            await fetch(`${gateway.url}/tokenize`, { method: 'POST', body: payload, headers }),
          );
        }
      }
    }
  });

  test('a body that is not UTF-8 is refused, not mended', async () => {
    const bytes = Buffer.concat([Buffer.from('{"prompt":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]);
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${gateway.url}/tokenize`, { method: 'POST', body: bytes, headers });
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { code: 'invalid_json' } },
    ]);
  });

  test('a text that is no JSON by its type is not read as JSON', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const response = await gateway.post('/v1/chat/completions', good, { 'content-type': type });
      expect([response.status, await response.json()]).toMatchObject([
        400,
        { error: { code: 'invalid_json' } },
      ]);
    }
    expect(gateway.backend.open).toBe(0);
  });

  test('any header, twice', async () => {
    const names = ['traceparent', 'tracestate', 'x-request-id', 'x-layermesh-timing', 'accept', 'origin'];
    const values = [
      '',
      ',',
      'a, b',
      '00-0-0-00',
      'x'.repeat(5000),
      '\u00ff',
      ';q=',
      'text/plain;q=x;;',
      '*/*;q=nan',
    ];
    for (const name of [...names, 'content-type', 'access-control-request-method', 'baggage']) {
      for (const value of values) {
        for (const path of ['/metrics', '/tokenize', '/v1/completions']) {
          await expectNoFault(await sendTwice(gateway.url + path, name, value));
        }
      }
    }
  });

  const PATHS = [
    ...['/v1/models/%', '/v1/models/%E0%A4%A', '/v1/models/%00', '/%ff', '/v1/models/', '/v1//models/a'],
    ...[
      '/v1/models/__proto__',
      `/v1/models/${'a/'.repeat(4000)}`,
      '/report?window=%',
      '/report?window=1&window=2',
    ],
    ...[
      '/report?window[a]=1',
      '/report?window=1e1',
      '/report?window=-0',
      '/report?__proto__=1',
      '/report?window=',
    ],
    ...['/metrics?name[]=x', '/ready/..', '/..', '/v1/chat/completions/', '/health?%'],
  ];
  test.each(PATHS)('a path such as %s, by any method', async (path) => {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'QUERY']) {
      const answer = await raw(
        `${method} ${path} HTTP/1.1\r\nhost: ${hostOf(gateway)}\r\nconnection: close\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 [234]/);
    }
  });

  test.each(['http://127.0.0.1/health', '*', '//', 'http://[', '/health#x', '?x', 'a'])(
    'a target such as %s',
    async (target) => {
      const answer = await raw(
        `GET ${target} HTTP/1.1\r\nhost: ${hostOf(gateway)}\r\nconnection: close\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 [234]/);
    },
  );

  /** One request and its answer, as text. */
  async function raw(text: string): Promise<string> {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    socket.end(text);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    return answer;
  }
});

const hostOf = (gateway: TestGateway): string => new URL(gateway.url).host;

/** The same header on two lines, which fetch would join. */
function sendTwice(url: string, name: string, value: string): Promise<Response> {
  return new Promise((resolve, reject) => {
    const method = url.endsWith('/metrics') ? 'GET' : 'POST';
    const request = httpRequest(url, { method, agent: false }, (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(new Response(text, { status: response.statusCode! })));
    });
    request.on('error', reject);
    if (name !== 'content-type') request.setHeader('content-type', 'application/json');
    request.setHeader(name, [value, value]);
    request.end(method === 'POST' ? JSON.stringify(good) : undefined);
  });
}
