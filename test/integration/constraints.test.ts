import { Ajv } from 'ajv';
import fc from 'fast-check';
import OpenAI from 'openai';
import { zodFunction } from 'openai/helpers/zod';
import { z } from 'zod';
import { errorOf, post } from '../support/completions.js';
import { startSystem, type TestSystem } from '../support/local-system.js';
import { boundedArguments, boundedSchemas, validator } from '../support/random-schemas.js';

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

/** `npm run constrained` asks for all of these; the check, which has little time, for some. */
const isFull = process.env['LAYERMESH_CONSTRAINED'] === 'full';
const COUNTS = isFull ? { schemas: 300, tools: 100 } : { schemas: 6, tools: 4 };
const TIME = isFull ? 3_600_000 : 240_000;
const COMPANY = 8;

/** The results for all items, so many at once. */
async function inCompany<Item, Result>(
  items: readonly Item[],
  of: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const waiting = items.entries();
  const work = async (): Promise<void> => {
    for (const [index, item] of waiting) results[index] = await of(item, index);
  };
  await Promise.all(Array.from({ length: COMPANY }, work));
  return results;
}

interface Choice {
  readonly message: {
    readonly content: string | null;
    readonly tool_calls?: readonly {
      readonly function: { readonly name: string; readonly arguments: string };
    }[];
  };
  readonly finish_reason: string;
}

/** With a gateway, two stages with drafts, and the demo model, as they are. */
describe('answers that have to be of a form', () => {
  let system: TestSystem;
  beforeAll(async () => {
    // In int8 it depends on what shares a step which of so few answers end by themselves.
    system = await startSystem({ mesh: 'direct', split: [15], precision: isFull ? 'int8' : 'f32' });
  }, 120_000);
  afterAll(() => system.stop());

  const choiceOf = async (fields: object): Promise<Choice> => {
    const messages = [{ role: 'user', content: 'Tell me about somebody whom you know.' }];
    const answer = await post(`${system.url}/v1/chat/completions`, { messages, max_tokens: 160, ...fields });
    const { choices, error } = (await answer.json()) as { choices: Choice[]; error?: object };
    expect([error, error && JSON.stringify(fields)]).toEqual([undefined, undefined]);
    return choices[0]!;
  };
  const ask = async (fields: object): Promise<Answer> => {
    const { message, finish_reason: reason } = await choiceOf(fields);
    return { content: message.content!, ended: reason === 'stop' };
  };
  const seeds = (count: number, fields: object): Promise<Answer[]> =>
    Promise.all(Array.from({ length: count }, (_, seed) => ask({ seed, temperature: 1.2, ...fields })));

  it('parse and validate, whenever they end by themselves', async () => {
    const format = { type: 'json_schema', json_schema: { name: 'person', strict: true, schema: PERSON } };
    const answers = await seeds(6, { response_format: format });
    const ended = answers.filter((answer) => answer.ended);
    expect(ended.length).toBeGreaterThan(4);
    for (const { content } of ended) {
      isPerson(JSON.parse(content));
      expect([content, isPerson.errors]).toEqual([content, null]);
    }
    expect(new Set(ended.map(({ content }) => content)).size).toBeGreaterThan(3);
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

  it('are calls of tools, where the model has to make them', async () => {
    const client = new OpenAI({ baseURL: `${system.url}/v1`, apiKey: 'none' });
    const City = z.object({ city: z.string().max(12), days: z.int().min(1).max(14) });
    const asked = {
      model: 'default',
      messages: [{ role: 'user', content: 'Plan a trip to Bern for three days.' }],
      tools: [zodFunction({ name: 'plan_trip', parameters: City })],
      max_completion_tokens: 160,
      parallel_tool_calls: false,
    } as const;
    for (const tool_choice of ['required', { type: 'function', function: { name: 'plan_trip' } }] as const) {
      for (let seed = 0; seed < 2; seed += 1) {
        const stream = client.chat.completions.stream({ ...asked, tool_choice, seed } as never);
        const [choice] = (await stream.finalChatCompletion()).choices;
        expect(choice!.finish_reason).toBe(tool_choice === 'required' ? 'tool_calls' : 'stop');
        const [call] = choice!.message.tool_calls!;
        const called = (call as { function: { name: string; arguments: string } }).function;
        expect([called.name, City.safeParse(JSON.parse(called.arguments)).success]).toEqual([
          'plan_trip',
          true,
        ]);
      }
    }
  }, 240_000);

  it(
    `are of ${COUNTS.schemas} random schemas`,
    async () => {
      const schemas = fc.sample(boundedSchemas, { numRuns: COUNTS.schemas, seed: 20 });
      const answers = await inCompany(schemas, async (schema, seed) => {
        const response_format = { type: 'json_schema', json_schema: { name: 'random', schema } };
        return { schema, ...(await ask({ response_format, seed, temperature: 1, max_tokens: 250 })) };
      });
      const ended = answers.filter((answer) => answer.ended);
      console.info(`${ended.length} of ${answers.length} answers of random schemas ended by themselves`);
      const wrong = ended.filter(({ schema, content }) => !validator(schema)(JSON.parse(content)));
      expect(wrong).toEqual([]);
      expect(ended.length).toBeGreaterThanOrEqual(0.5 * answers.length);
    },
    TIME,
  );

  it(
    `are calls in ${COUNTS.tools} answers, of tools with random schemas`,
    async () => {
      const cases = fc.sample(fc.array(boundedArguments, { minLength: 1, maxLength: 3 }), {
        numRuns: COUNTS.tools,
        seed: 20,
      });
      const answers = await inCompany(cases, async (schemas, seed) => {
        const tools = schemas.map((parameters, index) => ({
          type: 'function',
          function: { name: `tool_${index}`, parameters },
        }));
        const binding = [
          { tool_choice: 'required' },
          { tool_choice: 'required', parallel_tool_calls: false },
          { tool_choice: { type: 'function', function: { name: `tool_${schemas.length - 1}` } } },
        ][seed % 3];
        return {
          schemas,
          // Several calls may follow one another.
          choice: await choiceOf({ tools, ...binding, seed, temperature: 1, max_tokens: 400 }),
        };
      });
      const ended = answers.filter(({ choice }) => choice.finish_reason !== 'length');
      console.info(`${ended.length} of ${answers.length} answers with calls ended by themselves`);
      const wrong = ended.filter(({ schemas, choice: { message } }) => {
        const { content, tool_calls: calls = [] } = message;
        const areRight = calls.every(({ function: { name, arguments: args } }) =>
          validator(schemas[Number(name.replace('tool_', ''))])(JSON.parse(args)),
        );
        return content !== null || calls.length === 0 || !areRight;
      });
      expect(wrong).toEqual([]);
      expect(ended.length).toBeGreaterThanOrEqual(0.5 * answers.length);
    },
    TIME,
  );

  it('are refused where there is no such form, and the next is served', async () => {
    const prompt = { prompt: 'a', max_tokens: 2 };
    const refused = await post(`${system.url}/v1/completions`, { ...prompt, grammar: 'root ::= root "a"' });
    expect(await errorOf(refused)).toMatchObject({ status: 400, code: 'invalid_grammar' });
    expect((await ask({ guided_choice: ['yes'] })).content).toBe('yes');
  }, 60_000);
});
