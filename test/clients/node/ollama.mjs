// Ollama's own client for Node.
import { strict as assert } from 'node:assert';
import { Ollama } from 'ollama';
import {
  fails,
  isPerson,
  KEY,
  MODEL as model,
  OTHER_KEY,
  PERSON,
  run,
  unlessRefused,
  URL,
  USER as messages,
  WEATHER,
} from './cases.mjs';

const clientOf = (key) => new Ollama({ host: URL, headers: { authorization: `Bearer ${key}` } });
const client = clientOf(KEY);
const options = { num_predict: 16, temperature: 0 };

async function allOf(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const cases = {
  async models() {
    assert.ok((await client.list()).models.some((each) => each.model === model));
    assert.ok((await client.ps()).models.some((each) => each.model === model));
    assert.ok((await client.show({ model })).model_info);
    assert.ok((await client.version()).version);
  },

  async chat() {
    const whole = await client.chat({ model, messages, options });
    const chunks = await allOf(await client.chat({ model, messages, options, stream: true }));
    assert.equal(chunks.map(({ message }) => message.content).join(''), whole.message.content);
    assert.ok(chunks.at(-1).done && chunks.at(-1).eval_count <= 16);
  },

  async generate() {
    const asked = { model, prompt: 'The sky is', raw: true, options };
    const chunks = await allOf(await client.generate({ ...asked, stream: true }));
    assert.equal(chunks.map(({ response }) => response).join(''), (await client.generate(asked)).response);
  },

  async toolsAuto() {
    const tools = [{ type: 'function', function: WEATHER }];
    const { message } = await client.chat({ model, messages, tools, options });
    assert.ok(message.content || message.tool_calls);
  },

  async jsonSchema() {
    const asked = { model, messages, format: PERSON, options: { num_predict: 128 } };
    const { message } = await unlessRefused(() => client.chat(asked));
    assert.ok(isPerson(JSON.parse(message.content)));
  },

  async errors() {
    await fails(() => client.chat({ model: 'no-such-model', messages }), { status_code: 404 });
    await fails(() => client.chat({ model, messages, options: { temperature: 9 } }), { status_code: 400 });
  },

  async keys() {
    await fails(() => clientOf('sk-wrong-0123456789').chat({ model, messages }), { status_code: 401 });
    await fails(() => clientOf(OTHER_KEY).chat({ model, messages }), { status_code: 403 });
  },
};

const slow = {
  async pauses() {
    const chunks = await allOf(
      await client.chat({ model, messages, options: { num_predict: 3 }, stream: true }),
    );
    assert.ok(chunks.at(-1).done);
  },
};

await run('ollama', cases, slow);
