import { Ajv } from 'ajv';
import OpenAI from 'openai';
import { errorOf, post } from '../support/completions.js';
import { startSystem, type TestSystem } from '../support/local-system.js';

const PERSON = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 12 },
    age: { type: 'integer', minimum: 0, maximum: 120 },
    kind: { enum: ['friend', 'colleague', null] },
    tags: { type: 'array', items: { type: 'string', pattern: '^[a-z]{1,6}$' }, maxItems: 2 },
    home: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/place' }] },
  },
  required: ['name', 'age', 'kind', 'tags', 'home'],
  additionalProperties: false,
  $defs: {
    place: {
      type: 'object',
      properties: {
        city: { type: 'string', maxLength: 8 },
        floor: { type: 'number', minimum: -2, exclusiveMaximum: 30 },
      },
      required: ['city', 'floor'],
      additionalProperties: false,
    },
  },
};
const isPerson = new Ajv({ strict: false }).compile(PERSON);
const COUNTRY = 'root ::= word (", " word){1,2} "."\nword ::= [A-Z] [a-z]{2,6}';

interface Answer {
  readonly content: string;
  readonly ended: boolean;
}

/** With a gateway, two stages with drafts, and the demo model, as they are. */
describe('answers that have to be of a form', () => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await startSystem({ mesh: 'direct', split: [15], precision: 'f32' });
  }, 120_000);
  afterAll(() => system.stop());

  const ask = async (fields: object): Promise<Answer> => {
    const messages = [{ role: 'user', content: 'Tell me about somebody whom you know.' }];
    const answer = await post(`${system.url}/v1/chat/completions`, { messages, max_tokens: 160, ...fields });
    const { choices, error } = (await answer.json()) as {
      choices: { message: { content: string }; finish_reason: string }[];
      error?: object;
    };
    expect(error).toBeUndefined();
    return { content: choices[0]!.message.content, ended: choices[0]!.finish_reason === 'stop' };
  };
  const seeds = (count: number, fields: object): Promise<Answer[]> =>
    Promise.all(Array.from({ length: count }, (_, seed) => ask({ seed, temperature: 1.2, ...fields })));

  it('parse and validate, whenever they end by themselves', async () => {
    const format = { type: 'json_schema', json_schema: { name: 'person', strict: true, schema: PERSON } };
    const answers = await seeds(16, { response_format: format });
    const ended = answers.filter((answer) => answer.ended);
    expect(ended.length).toBeGreaterThan(12);
    for (const { content } of ended) {
      isPerson(JSON.parse(content));
      expect([content, isPerson.errors]).toEqual([content, null]);
    }
    expect(new Set(ended.map(({ content }) => content)).size).toBeGreaterThan(8);
  }, 240_000);

  it.each<[object, (content: string) => unknown]>([
    [
      { guided_choice: ['a cat', 'a dog', 'nobody'] },
      (content) => ['a cat', 'a dog', 'nobody'].includes(content),
    ],
    [
      { structured_outputs: { regex: '[0-9]{3}-[a-f]{2,4}é' } },
      (content) => /^[0-9]{3}-[a-f]{2,4}é$/.test(content),
    ],
    [{ grammar: COUNTRY }, (content) => /^[A-Z][a-z]{2,6}(, [A-Z][a-z]{2,6}){1,2}\.$/.test(content)],
    [
      { json_schema: { type: 'integer', minimum: 7, maximum: 11 } },
      (content) => [7, 8, 9, 10, 11].includes(Number(content)),
    ],
  ])(
    '%j',
    async (fields, isRight) => {
      const answers = await seeds(4, fields);
      expect(answers.filter(({ ended }) => ended).map(({ content }) => [content, isRight(content)])).toEqual(
        answers.map(({ content }) => [content, true]),
      );
    },
    120_000,
  );

  it('are whole in streams, of official clients', async () => {
    const client = new OpenAI({ baseURL: `${system.url}/v1`, apiKey: 'none' });
    const stream = await client.chat.completions.create({
      model: 'default',
      messages: [{ role: 'user', content: 'Who is that?' }],
      response_format: { type: 'json_schema', json_schema: { name: 'person', schema: PERSON } },
      max_completion_tokens: 160,
      stream: true,
      temperature: 0,
    });
    let text = '';
    let reason: string | null = null;
    for await (const { choices } of stream) {
      text += choices[0]!.delta.content ?? '';
      reason = choices[0]!.finish_reason ?? reason;
    }
    expect(reason).toBe('stop');
    expect([isPerson(JSON.parse(text)), isPerson.errors]).toEqual([true, null]);
  }, 120_000);

  it('leave those of others as they are', async () => {
    const free = (): Promise<Answer> => ask({ temperature: 0, max_tokens: 40 });
    const alone = await free();
    const [beside] = await Promise.all([free(), seeds(6, { guided_json: PERSON })]);
    expect(beside).toEqual(alone);
  }, 240_000);

  it('are refused where there is no such form, and the next is served', async () => {
    const prompt = { prompt: 'a', max_tokens: 2 };
    const refused = await post(`${system.url}/v1/completions`, { ...prompt, grammar: 'root ::= root "a"' });
    expect(await errorOf(refused)).toMatchObject({ status: 400, code: 'invalid_grammar' });
    expect((await ask({ guided_choice: ['yes'] })).content).toBe('yes');
  }, 60_000);
});
