import Anthropic from '@anthropic-ai/sdk';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { Ollama } from 'ollama';
import { zodFunction, zodResponseFormat, zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { obedient } from '../obedient-model.js';
import { startTestGateway, type TestGateway } from '../test-gateway.js';

const Person = z.object({
  name: z.string().min(1).max(8),
  age: z.int().min(0).max(120),
  kind: z.enum(['friend', 'colleague']).nullable(),
  tags: z.array(z.string().max(5)).max(2),
  home: z.union([z.object({ city: z.string().max(5) }), z.object({ floor: z.number().min(-2).max(30) })]),
});
const City = z.object({ city: z.string().max(6), days: z.int().min(1).max(9) });

/** What a client sends who knows a class of its own and no JSON schema. */
describe('the schema helpers of official clients', () => {
  let gateway: TestGateway;
  beforeEach(async () => {
    gateway = await startTestGateway({ contextLength: 8_000 });
    gateway.backend.script = obedient;
  });
  afterEach(() => gateway.close());

  const model = 'tester';
  const messages = [{ role: 'user' as const, content: 'Who is that?' }];
  const seeds = Array.from({ length: 6 }, (_, seed) => seed);

  it("OpenAI's, of chats", async () => {
    const response_format = zodResponseFormat(Person, 'person');
    for (const seed of seeds) {
      const asked = { model, messages, response_format, seed };
      const { choices } = await gateway.client.chat.completions.parse(asked);
      expect(Person.parse(choices[0]!.message.parsed)).toEqual(choices[0]!.message.parsed);
      const streamed = await gateway.client.chat.completions.stream(asked).finalChatCompletion();
      expect(streamed.choices[0]!.message.parsed).toEqual(choices[0]!.message.parsed);
    }
  });

  it("OpenAI's, of functions", async () => {
    const tools = [
      zodFunction({ name: 'trip', parameters: City }),
      zodFunction({ name: 'know', parameters: Person }),
    ];
    for (const seed of seeds) {
      const asked = { model, messages, tools, tool_choice: 'required', seed } as const;
      const whole = await gateway.client.chat.completions.parse(asked);
      const streamed = await gateway.client.chat.completions.stream(asked).finalChatCompletion();
      for (const { choices } of [whole, streamed]) {
        const calls = choices[0]!.message.tool_calls!;
        expect(calls.length).toBeGreaterThan(0);
        for (const { function: called } of calls) {
          const parser = called.name === 'trip' ? City : Person;
          expect(parser.parse(called.parsed_arguments)).toEqual(JSON.parse(called.arguments));
        }
      }
    }
  });

  it("OpenAI's, of responses", async () => {
    const text = { format: zodTextFormat(Person, 'person') };
    const tools = [zodResponsesFunction({ name: 'trip', parameters: City })];
    for (const turn of seeds) {
      const asked = { model, input: `Who is ${turn}?`, text };
      const said = await gateway.client.responses.parse(asked);
      expect(Person.parse(said.output_parsed)).toEqual(JSON.parse(said.output_text));
      expect(said.text).toMatchObject({ format: { type: 'json_schema', name: 'person', strict: true } });
      const streamed = await gateway.client.responses.stream(asked).finalResponse();
      expect(Person.parse(streamed.output_parsed)).toEqual(streamed.output_parsed);
      const called = await gateway.client.responses.parse({
        model,
        input: 'Where?',
        tools,
        tool_choice: 'required',
      });
      for (const item of called.output) {
        if (item.type !== 'function_call') throw new Error(item.type);
        expect(City.parse(item.parsed_arguments)).toEqual(JSON.parse(item.arguments));
      }
    }
  });

  it("Anthropic's, of messages", async () => {
    const client = new Anthropic({ baseURL: gateway.url, apiKey: 'none', maxRetries: 0 });
    // The client turns bounds into words of the description.
    const Known = z.object({
      name: z.string(),
      kind: z.enum(['friend', 'colleague']).nullable(),
      ages: z.array(z.int()),
    });
    const output_config = { format: zodOutputFormat(Known) };
    const asked = { model, max_tokens: 4_000, output_config };
    for (const turn of seeds) {
      const { parsed_output: parsed, content } = await client.messages.parse({
        ...asked,
        messages: [{ role: 'user', content: `Who is ${turn}?` }],
      });
      expect(Known.parse(parsed)).toEqual(parsed);
      expect(content.length).toBe(1);
    }
    await client.messages.create({
      ...asked,
      messages,
      output_config: undefined,
      output_format: output_config.format,
    } as never);
    expect(gateway.backend.requests.at(-1)!.sampling.constraint).not.toBeNull();
  });

  it("Ollama's, with the schema of a class, or any JSON", async () => {
    const client = new Ollama({ host: gateway.url });
    const format = z.toJSONSchema(Person);
    const chat = await client.chat({ model, messages, format });
    expect(Person.parse(JSON.parse(chat.message.content))).toBeDefined();
    const generated = await client.generate({ model, prompt: 'Who?', format });
    expect(Person.parse(JSON.parse(generated.response ?? ''))).toBeDefined();
    const raw = await client.generate({ model, prompt: 'Who?', raw: true, format: 'json' });
    expect(JSON.parse(raw.response ?? '')).toEqual(expect.any(Object));
    const parts = [];
    for await (const part of await client.chat({ model, messages, format, stream: true })) parts.push(part);
    expect(Person.parse(JSON.parse(parts.map(({ message }) => message.content).join('')))).toBeDefined();
  });
});
