import Anthropic from '@anthropic-ai/sdk';
import { Ajv } from 'ajv';
import type OpenAI from 'openai';
import type { ChatCompletionTool } from 'openai/resources/chat';
import { toolStyleOf } from '../../../../services/lib/model/text/tool-style.js';
import { takes } from '../../../support/grammar.js';
import { lineTemplate, say } from '../byte-text.js';
import { askedConstraint, obedient } from '../obedient-model.js';
import { tokensOf } from '../scripted-backend.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

const TRIP = {
  type: 'object',
  properties: {
    city: { enum: ['Bern', 'Zürich', '</tool_call>'] },
    days: { type: 'integer', minimum: 1, maximum: 9 },
    with: { type: 'array', items: { type: 'string', maxLength: 5 }, maxItems: 2 },
  },
  required: ['city', 'days'],
  additionalProperties: false,
};
const NOTHING = { type: 'object', properties: {}, additionalProperties: false };
const SCHEMAS: Readonly<Record<string, Record<string, unknown>>> = { now: NOTHING, trip: TRIP };
const ajv = new Ajv();
const validators = { now: ajv.compile(NOTHING), trip: ajv.compile(TRIP) };

/** Throws unless it is a call of one of the tools as its schema wants it. */
function requireCall(name: string, args: unknown): void {
  const validate = validators[name as keyof typeof validators];
  if (!validate(args))
    throw new Error(`${name} of ${JSON.stringify(args)}: ${ajv.errorsText(validate.errors)}`);
}

const tools = Object.entries(SCHEMAS).map(([name, parameters]): ChatCompletionTool => ({
  type: 'function',
  function: { name, parameters },
}));
const model = 'tester';
const messages = [{ role: 'user' as const, content: 'Hi' }];
const SEEDS = Array.from({ length: 8 }, (_, seed) => seed);
const STYLES = [
  '',
  '{{ tools }}<tool_call>',
  '{{ tools }}<|python_tag|>',
  '{{ tools }}[TOOL_CALLS]',
  '{{ tools }}[TOOL_CALLS][ARGS]',
];

let gateway: TestGateway;
const start = async (options?: Parameters<typeof startTestGateway>[0]): Promise<void> => {
  gateway = await startTestGateway({ contextLength: 8_000, ...options });
  gateway.backend.script = obedient;
};
beforeEach(() => start());
afterEach(() => gateway.close());

type Fields = Partial<Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, 'seed'>> & {
  readonly seed?: number;
};
const create = (fields: Fields) =>
  gateway.client.chat.completions.create({
    model,
    messages,
    tools,
    ...fields,
  } as OpenAI.ChatCompletionCreateParamsNonStreaming);
const stream = (fields: Fields) =>
  gateway.client.chat.completions
    .stream({ model, messages, tools, ...fields } as never)
    .finalChatCompletion();

describe('calls that a model has to make', () => {
  test.each(STYLES)('are made, whole and in streams: the template %j', async (template) => {
    await gateway.close();
    await start({ chatTemplate: { ...lineTemplate, toolStyle: toolStyleOf(template) } });
    const counts = new Set<number>();
    for (const seed of SEEDS) {
      for (const ask of [create, stream]) {
        const { choices } = await ask({ seed, tool_choice: 'required' });
        const { message, finish_reason: reason } = choices[0]!;
        expect([reason, message.content ?? '']).toEqual(['tool_calls', '']);
        counts.add(message.tool_calls!.length);
        for (const call of message.tool_calls!)
          if (call.type === 'function') requireCall(call.function.name, JSON.parse(call.function.arguments));
      }
    }
    expect(Math.max(...counts)).toBeGreaterThan(1);
  });

  test('are one where there may be one, or of one function, after which OpenAI just stops', async () => {
    const named = { type: 'function', function: { name: 'trip' } } as const;
    for (const seed of SEEDS) {
      for (const ask of [create, stream]) {
        const one = (await ask({ seed, tool_choice: 'required', parallel_tool_calls: false })).choices[0]!;
        expect([one.finish_reason, one.message.tool_calls!.length]).toEqual(['tool_calls', 1]);
        const trip = (await ask({ seed, tool_choice: named })).choices[0]!;
        expect(trip).toMatchObject({
          finish_reason: 'stop',
          message: { tool_calls: [{ function: { name: 'trip' } }] },
        });
        expect(trip.message.tool_calls!.length).toBe(1);
      }
    }
  });

  test('are made in responses', async () => {
    const flat = Object.entries(SCHEMAS).map(([name, parameters]) => ({
      type: 'function',
      name,
      parameters,
      strict: true,
    }));
    const choices = ['required', { type: 'function', name: 'trip' }];
    for (const tool_choice of choices) {
      const fields = { model, input: 'Hi', tools: flat, tool_choice } as never;
      const whole: OpenAI.Responses.Response = await gateway.client.responses.create(fields);
      const streamed = await gateway.client.responses.stream(fields).finalResponse();
      for (const { status, output, tool_choice: echoed } of [whole, streamed]) {
        expect([status, echoed]).toEqual(['completed', tool_choice]);
        expect(output.length).toBeGreaterThan(0);
        for (const item of output) {
          if (item.type !== 'function_call') throw new Error(item.type);
          requireCall(item.name, JSON.parse(item.arguments));
          if (tool_choice !== 'required') expect(item.name).toBe('trip');
        }
      }
    }
  });

  test('are made in messages', async () => {
    const client = new Anthropic({ baseURL: gateway.url, apiKey: 'none', maxRetries: 0 });
    const uses = Object.entries(SCHEMAS).map(([name, input_schema]) => ({ name, input_schema }));
    for (const tool_choice of [
      { type: 'any' },
      { type: 'tool', name: 'trip' },
      { type: 'any', disable_parallel_tool_use: true },
    ]) {
      const fields = { model, max_tokens: 4_000, messages, tools: uses, tool_choice } as never;
      const whole: Anthropic.Message = await client.messages.create(fields);
      const streamed = await client.messages.stream(fields).finalMessage();
      for (const { content, stop_reason } of [whole, streamed]) {
        expect(stop_reason).toBe('tool_use');
        if (tool_choice.type === 'tool' || tool_choice.disable_parallel_tool_use)
          expect(content.length).toBe(1);
        for (const block of content) {
          if (block.type !== 'tool_use') throw new Error(block.type);
          requireCall(block.name, block.input);
        }
      }
    }
  });
});

describe('calls that a model may make', () => {
  const tagged = (name: string, args: object): string =>
    `<tool_call>\n${JSON.stringify({ name, arguments: args })}\n</tool_call>`;
  const strict = tools.map((tool) =>
    tool.type === 'function' && tool.function.name === 'trip'
      ? { ...tool, function: { ...tool.function, strict: true } }
      : tool,
  );

  test('are free where no tool is strict', async () => {
    gateway.backend.script = tokensOf(say(tagged('trip', { city: 7 })));
    const { choices } = await create({});
    expect(gateway.backend.requests[0]!.sampling.constraint).toBeNull();
    expect(choices[0]!.message.tool_calls).toHaveLength(1);
  });

  test('are as the schema says where it is, beside any text', async () => {
    gateway.backend.script = tokensOf(say('Hello'));
    expect((await create({ tools: strict })).choices[0]!.message.content).toBe('Hello');
    const constraint = askedConstraint(gateway.backend);
    const right = [
      '',
      'Hello {"name": "trip"}',
      `So: ${tagged('trip', { city: 'Bern', days: 3 })}`,
      tagged('now', { any: 1 }),
    ];
    const wrong = [
      tagged('trip', { city: 'Bern' }),
      tagged('then', {}),
      tagged('trip', { city: 'Bern', days: 0 }),
      '<tool_call>',
    ];
    expect(right.map((text) => [text, takes(constraint, text)])).toEqual(right.map((text) => [text, true]));
    expect(wrong.map((text) => [text, takes(constraint, text)])).toEqual(wrong.map((text) => [text, false]));
  });

  test('stand beside a form, which is for the answer that calls nothing', async () => {
    const like = '{"name":"now","arguments":{}}';
    gateway.backend.script = tokensOf(say(like));
    const { choices } = await create({ response_format: { type: 'json_object' } });
    // What stands where a call cannot is no call.
    expect(choices[0]).toMatchObject({ message: { content: like }, finish_reason: 'stop' });
    expect(choices[0]!.message.tool_calls).toBeUndefined();
    const constraint = askedConstraint(gateway.backend);
    const texts = [
      like,
      tagged('now', {}),
      `${tagged('now', {})}\n${tagged('now', {})}`,
      'Hello',
      `{}${tagged('now', {})}`,
    ];
    expect(texts.map((text) => takes(constraint, text))).toEqual([true, true, true, false, false]);
    // Nothing is called, so all of it is the form's.
    gateway.backend.script = obedient;
    const none = await create({ response_format: { type: 'json_object' }, tool_choice: 'none' });
    expect(JSON.parse(none.choices[0]!.message.content!)).toEqual(expect.any(Object));
  });
});

describe('what cannot bind calls', () => {
  const refusal = async (fields: object) => {
    const response = await gateway.post('/v1/chat/completions', { messages, tools, ...fields });
    const { error } = (await response.json()) as { error?: { code: string; param: string } };
    return [response.status, error?.code, error?.param];
  };

  test.each<[object, string, string]>([
    [{ grammar: 'root ::= "a"' }, 'invalid_value', 'grammar'],
    [{ ebnf: 'root ::= "a"', tool_choice: 'required' }, 'invalid_value', 'ebnf'],
    [{ tool_choice: 'required', ignore_eos: true }, 'invalid_value', 'ignore_eos'],
    [
      { response_format: { type: 'json_schema', json_schema: { schema: { not: {} } } } },
      'unsupported_schema',
      'response_format.json_schema.schema',
    ],
    [
      {
        tools: [...tools, { type: 'function', function: { name: 'odd', parameters: { not: {} } } }],
        tool_choice: { type: 'function', function: { name: 'odd' } },
      },
      'unsupported_schema',
      'tools[2].function.parameters',
    ],
    [
      {
        tools: [
          ...tools,
          { type: 'function', function: { name: 'odd', strict: true, parameters: { not: {} } } },
        ],
      },
      'unsupported_schema',
      'tools[2].function.parameters',
    ],
  ])('%j', async (fields, code, param) => {
    expect(await refusal(fields)).toEqual([400, code, param]);
    expect(gateway.backend.requests).toEqual([]);
    expect(gateway.admission.running).toBe(0);
  });

  test('an engine that only takes time', async () => {
    await gateway.close();
    await start({ engine: 'timed (a100-40g, cost model 1)' });
    gateway.backend.script = tokensOf(say('a'));
    expect(await refusal({ tool_choice: 'required' })).toEqual([400, 'unsupported_parameter', 'tool_choice']);
    expect((await refusal({}))[0]).toBe(200);
  });

  test('a schema that cannot be followed, of a tool that need not be called as it says', async () => {
    gateway.backend.script = tokensOf(say('a'));
    const odd = { type: 'function', function: { name: 'odd', parameters: { not: {} } } };
    expect((await refusal({ tools: [odd] }))[0]).toBe(200);
    expect((await refusal({ tools: [odd], guided_choice: ['a'] }))[0]).toBe(200);
  });
});
