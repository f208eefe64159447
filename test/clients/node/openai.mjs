// OpenAI's own client for Node.
import { strict as assert } from 'node:assert';
import OpenAI from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import {
  fails,
  isPerson,
  KEY,
  LIMITED_KEY,
  MODEL as model,
  OTHER_KEY,
  PERSON,
  QUESTION,
  run,
  unlessRefused,
  untilLimited,
  URL,
  USER as messages,
  WEATHER,
} from './cases.mjs';

const clientOf = (apiKey, options = {}) => new OpenAI({ baseURL: `${URL}/v1`, apiKey, ...options });
const client = clientOf(KEY);
const tools = [{ type: 'function', function: WEATHER }];
const person = z.object({
  name: z.string().max(20),
  age: z.int().min(0).max(150),
  job: z.enum(['pilot', 'baker']),
});

async function allOf(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const cases = {
  async models() {
    assert.ok((await allOf(client.models.list())).some(({ id }) => id === model));
    assert.equal((await client.models.retrieve(model)).id, model);
  },

  async chat() {
    const { choices, usage } = await client.chat.completions.create({ model, messages, max_tokens: 16 });
    assert.ok(choices[0].message.content);
    assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  },

  async chatStream() {
    const asked = { model, messages, max_tokens: 16, temperature: 0 };
    const whole = await client.chat.completions.create(asked);
    const chunks = await allOf(await client.chat.completions.create({ ...asked, stream: true }));
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
    assert.equal(text, whole.choices[0].message.content);
  },

  async streamHelper() {
    const stream = client.chat.completions.stream({ model, messages, max_tokens: 64, stop: '.' });
    let text = '';
    stream.on('content', (delta) => (text += delta));
    assert.equal((await stream.finalMessage()).content, text);
  },

  async completions() {
    const asked = { model, prompt: 'The sky is', max_tokens: 4, temperature: 0 };
    const whole = await client.completions.create(asked);
    const chunks = await allOf(await client.completions.create({ ...asked, stream: true }));
    assert.equal(chunks.map(({ choices }) => choices[0]?.text ?? '').join(''), whole.choices[0].text);
  },

  async responses() {
    const first = await client.responses.create({ model, input: QUESTION, max_output_tokens: 16 });
    assert.ok(first.output_text);
    assert.equal((await client.responses.retrieve(first.id)).output_text, first.output_text);
    const asked = { model, input: 'And at dusk?', previous_response_id: first.id, max_output_tokens: 16 };
    assert.ok((await client.responses.create(asked)).usage.input_tokens > first.usage.total_tokens);
    await client.responses.delete(first.id);
    await fails(() => client.responses.retrieve(first.id), { status: 404 });
  },

  async responsesStream() {
    const stream = client.responses.stream({ model, input: QUESTION, max_output_tokens: 16 });
    let text = '';
    stream.on('response.output_text.delta', ({ delta }) => (text += delta));
    assert.equal((await stream.finalResponse()).output_text, text);
  },

  async toolsAuto() {
    const { choices } = await client.chat.completions.create({ model, messages, tools, max_tokens: 32 });
    assert.ok(choices[0].message.content || choices[0].message.tool_calls);
  },

  async toolsRequired() {
    const asked = {
      model,
      messages,
      tools,
      tool_choice: 'required',
      parallel_tool_calls: false,
      max_tokens: 128,
    };
    const { choices } = await unlessRefused(() => client.chat.completions.create(asked));
    const call = JSON.parse(choices[0].message.tool_calls[0].function.arguments);
    assert.deepEqual(Object.keys(call).sort(), ['city', 'days']);
  },

  async jsonSchema() {
    const response_format = {
      type: 'json_schema',
      json_schema: { name: 'person', strict: true, schema: PERSON },
    };
    const { choices } = await client.chat.completions.create({
      model,
      messages,
      response_format,
      max_tokens: 128,
    });
    assert.ok(isPerson(JSON.parse(choices[0].message.content)));
  },

  async schemaHelper() {
    const response_format = zodResponseFormat(person, 'person');
    const { choices } = await client.chat.completions.parse({
      model,
      messages,
      response_format,
      max_tokens: 128,
    });
    assert.ok(isPerson(choices[0].message.parsed));
  },

  async responsesSchemaHelper() {
    const asked = {
      model,
      input: QUESTION,
      text: { format: zodTextFormat(person, 'person') },
      max_output_tokens: 128,
    };
    const { output_parsed } = await unlessRefused(() => client.responses.parse(asked));
    assert.ok(isPerson(output_parsed));
  },

  async errors() {
    const ask = (more) => client.chat.completions.create({ model, messages, ...more });
    await fails(() => ask({ model: 'no-such-model' }), { status: 404, code: 'model_not_found' });
    const { requestID } = await fails(() => ask({ temperature: 9 }), { status: 400, param: 'temperature' });
    assert.ok(requestID);
  },

  async keys() {
    const asked = { model, messages, max_tokens: 1 };
    const wrong = clientOf('sk-wrong-0123456789').chat.completions;
    await fails(() => wrong.create(asked), { status: 401, code: 'invalid_api_key' });
    await fails(() => clientOf(OTHER_KEY).chat.completions.create(asked), { status: 403 });
  },

  async retries() {
    const asked = { model, messages, max_tokens: 1 };
    const { status } = await untilLimited(() =>
      clientOf(LIMITED_KEY, { maxRetries: 0 }).chat.completions.create(asked),
    );
    assert.equal(status, 429);
    await clientOf(LIMITED_KEY, { maxRetries: 4 }).chat.completions.create(asked);
  },
};

const slow = {
  async pauses() {
    const stream = await client.chat.completions.create({ model, messages, max_tokens: 3, stream: true });
    assert.ok((await allOf(stream)).at(-1).choices[0].finish_reason);
  },

  async timeouts() {
    const hasty = clientOf(KEY, { timeout: 2_000, maxRetries: 1 });
    const error = await fails(() => hasty.chat.completions.create({ model, messages, max_tokens: 1 }), {});
    assert.ok(error instanceof OpenAI.APIConnectionTimeoutError, String(error));
  },
};

await run('openai', cases, slow);
