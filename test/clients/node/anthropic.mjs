// Anthropic's own client for Node.
import { strict as assert } from 'node:assert';
import Anthropic from '@anthropic-ai/sdk';
import {
  fails,
  KEY,
  LIMITED_KEY,
  MODEL as model,
  OTHER_KEY,
  run,
  unlessRefused,
  untilLimited,
  URL,
  USER as messages,
  WEATHER,
} from './cases.mjs';

const clientOf = (apiKey, options = {}) => new Anthropic({ baseURL: URL, apiKey, ...options });
const client = clientOf(KEY);
const { name, description, parameters: input_schema } = WEATHER;
const tools = [{ name, description, input_schema }];

const cases = {
  async messages() {
    const { content, usage } = await client.messages.create({ model, messages, max_tokens: 16 });
    assert.ok(content[0].text && usage.output_tokens <= 16);
  },

  async messagesStream() {
    const asked = { model, messages, max_tokens: 16, temperature: 0 };
    const stream = client.messages.stream(asked);
    let text = '';
    stream.on('text', (delta) => (text += delta));
    const answer = await stream.finalMessage();
    assert.equal(answer.content[0].text, text);
    assert.equal((await client.messages.create(asked)).content[0].text, text);
  },

  async countTokens() {
    assert.ok((await client.messages.countTokens({ model, messages })).input_tokens > 5);
  },

  async toolsAuto() {
    assert.ok((await client.messages.create({ model, messages, max_tokens: 32, tools })).content.length > 0);
  },

  async toolsRequired() {
    const tool_choice = { type: 'any', disable_parallel_tool_use: true };
    const asked = { model, messages, max_tokens: 128, tools, tool_choice };
    const { content, stop_reason } = await unlessRefused(() => client.messages.create(asked));
    assert.equal(stop_reason, 'tool_use');
    assert.deepEqual(Object.keys(content.at(-1).input).sort(), ['city', 'days']);
  },

  async errors() {
    const ask = (more) => client.messages.create({ model, messages, max_tokens: 1, ...more });
    await fails(() => ask({ model: 'no-such-model' }), { status: 404 });
    const { error } = await fails(() => ask({ temperature: 9 }), { status: 400 });
    assert.equal(error.error.type, 'invalid_request_error');
  },

  async keys() {
    const asked = { model, messages, max_tokens: 1 };
    await fails(() => clientOf('sk-wrong-0123456789').messages.create(asked), { status: 401 });
    await fails(() => clientOf(OTHER_KEY).messages.create(asked), { status: 403 });
  },

  async retries() {
    const asked = { model, messages, max_tokens: 1 };
    const limited = clientOf(LIMITED_KEY, { maxRetries: 0 });
    assert.equal((await untilLimited(() => limited.messages.create(asked))).status, 429);
    await clientOf(LIMITED_KEY, { maxRetries: 4 }).messages.create(asked);
  },
};

const slow = {
  async pauses() {
    const answer = await client.messages.stream({ model, messages, max_tokens: 3 }).finalMessage();
    assert.ok(answer.stop_reason);
  },

  async timeouts() {
    const hasty = clientOf(KEY, { timeout: 2_000, maxRetries: 1 });
    const error = await fails(() => hasty.messages.create({ model, messages, max_tokens: 1 }), {});
    assert.ok(error instanceof Anthropic.APIConnectionTimeoutError, String(error));
  },
};

await run('@anthropic-ai/sdk', cases, slow);
