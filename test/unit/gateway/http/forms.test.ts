import { compileConstraint } from '../../../../services/lib/grammar/matcher.js';
import { createTokenTrie } from '../../../../services/lib/grammar/token-trie.js';
import type { StepTokens } from '../../../../services/lib/sampling/step-tokens.js';
import { takes } from '../../../support/grammar.js';
import { byteTokenizer, EOS } from '../byte-text.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

const CHAT = '/v1/chat/completions';
const COMPLETIONS = '/v1/completions';
const messages = [{ role: 'user', content: 'hi' }];
const trie = createTokenTrie(byteTokenizer, byteTokenizer.vocabularySize);
const schema = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };

describe('answers that have to be of a form', () => {
  let gateway: TestGateway;
  const start = async (options?: Parameters<typeof startTestGateway>[0]): Promise<void> => {
    gateway = await startTestGateway(options);
    gateway.backend.script = async function* () {
      await Promise.resolve();
      yield { tokens: [...Buffer.from('yes')], ended: true } satisfies StepTokens;
    };
  };
  beforeEach(() => start());
  afterEach(() => gateway.close());

  const send = async (path: string, fields: object) => {
    const response = await gateway.post(path, { messages, prompt: 'hi', ...fields });
    const body = (await response.json()) as {
      choices?: { finish_reason: string; text?: string; message?: { content: string } }[];
      error?: { code: string; param: string; message: string };
    };
    return { status: response.status, choice: body.choices?.[0], error: body.error };
  };

  test.each<[object, string, string]>([
    [{ response_format: { type: 'json_object' } }, '{"b":[1]}', '[1]'],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'a', schema, strict: true } } },
      '{"a":1}',
      '{}',
    ],
    [{ structured_outputs: { json: schema } }, '{"a":1}', '{}'],
    [{ structured_outputs: { regex: '[0-9]{2}' } }, '12', '1'],
    [{ guided_json: JSON.stringify(schema) }, '{"a":1}', '{}'],
    [{ guided_regex: 'yes|no' }, 'no', 'noo'],
    [{ guided_choice: ['yes', 'no'] }, 'yes', 'y'],
    [{ guided_grammar: 'root ::= "a" | "b"' }, 'b', 'c'],
    [{ grammar: 'root ::= "yes"' }, 'yes', 'no'],
    [{ json_schema: schema }, '{"a":1}', '{}'],
    [{ regex: 'yes|no' }, 'no', 'noo'],
    [{ ebnf: 'root ::= "yes"' }, 'yes', 'no'],
    [{ format: 'json' }, '{}', '[]'],
    [{ format: schema }, '{"a":1}', '{}'],
  ])('%j, of chats and of completions', async (fields, whole, wrong) => {
    for (const path of [CHAT, COMPLETIONS]) {
      expect((await send(path, { ...fields, stop_token_ids: [9] })).status).toBe(200);
      const { constraint } = gateway.backend.requests.at(-1)!.sampling;
      const compiled = compileConstraint(constraint!.source, trie);
      expect([takes(compiled, whole), takes(compiled, wrong)]).toEqual([true, false]);
      expect(constraint!.endIds).toEqual([EOS, 9]);
    }
  });

  test('end where the grammar does, with `stop`', async () => {
    const { choice } = await send(CHAT, { guided_choice: ['yes'] });
    expect(choice).toMatchObject({ finish_reason: 'stop', message: { content: 'yes' } });
  });

  test.each([
    [{ response_format: { type: 'text' } }],
    [{ grammar: '' }],
    [{ response_format: null, guided_json: null }],
  ])('any text will do for %j', async (fields) => {
    expect((await send(CHAT, fields)).status).toBe(200);
    expect(gateway.backend.requests[0]!.sampling.constraint).toBeNull();
  });

  test.each([
    [{ grammar: 'root ::= "yes"', json_schema: { type: 'object' } }, 'invalid_value', 'json_schema'],
    [{ response_format: { type: 'xml' } }, 'invalid_value', 'response_format.type'],
    [{ guided_choice: [] }, 'invalid_value', 'guided_choice'],
    [{ guided_choice: ['yes'], ignore_eos: true }, 'invalid_value', 'ignore_eos'],
    [{ grammar: 'root ::= nowhere' }, 'invalid_grammar', 'grammar'],
    [{ regex: '(' }, 'invalid_grammar', 'regex'],
    [{ guided_json: { not: {} } }, 'unsupported_schema', 'guided_json'],
    [{ structural_tag: '{}' }, 'unsupported_parameter', 'structural_tag'],
  ])('refused before anything is computed: %j', async (fields, code, param) => {
    for (const path of [CHAT, COMPLETIONS]) {
      expect(await send(path, fields)).toMatchObject({ status: 400, error: { code, param } });
    }
    expect(gateway.backend.requests).toEqual([]);
    expect(gateway.admission.running).toBe(0);
  });

  test("llama.cpp's grammar and json_schema at once are refused, naming both", async () => {
    const { error } = await send(CHAT, {
      max_tokens: 3,
      grammar: 'root ::= "yes"',
      json_schema: { type: 'object' },
    });
    expect(error!.message).toMatch(/grammar and json_schema/);
  });

  test('are refused where the engine only takes time', async () => {
    await gateway.close();
    await start({ engine: 'timed (a100-40g, cost model 1)' });
    for (const [fields, param] of [
      [{ format: 'json' }, 'format'],
      [{ guided_regex: 'a' }, 'guided_regex'],
    ] as const) {
      expect(await send(CHAT, fields)).toMatchObject({
        status: 400,
        error: { code: 'unsupported_parameter', param },
      });
    }
  });
});
