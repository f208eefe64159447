// Vercel's AI SDK, with its provider for OpenAI and the one for servers like it.
import { strict as assert } from 'node:assert';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, Output, streamText, tool } from 'ai';
import { z } from 'zod';
import {
  fails,
  KEY,
  LIMITED_KEY,
  MODEL,
  QUESTION as prompt,
  run,
  unlessRefused,
  untilLimited,
  URL,
} from './cases.mjs';

const given = { baseURL: `${URL}/v1`, apiKey: KEY };
const openai = createOpenAI(given);
const limited = createOpenAI({ ...given, apiKey: LIMITED_KEY }).chat(MODEL);
const compatible = createOpenAICompatible({ ...given, name: 'layermesh', supportsStructuredOutputs: true });
const models = [openai.chat(MODEL), openai.responses(MODEL), compatible(MODEL)];
const maxOutputTokens = 16;
const tools = {
  weather: tool({
    description: 'The weather in a city',
    inputSchema: z.object({ city: z.string().max(20), days: z.int().min(1).max(9) }),
    execute: ({ city, days }) => Promise.resolve(`${days} days of sun in ${city}`),
  }),
};

const cases = {
  async generate() {
    for (const model of models) {
      const { text, usage } = await generateText({ model, prompt, maxOutputTokens });
      assert.ok(text && usage.outputTokens <= maxOutputTokens);
    }
  },

  async stream() {
    for (const model of models) {
      const asked = { model, prompt, maxOutputTokens, temperature: 0 };
      let text = '';
      for await (const delta of streamText(asked).textStream) text += delta;
      assert.equal(text, (await generateText(asked)).text);
    }
  },

  async completions() {
    assert.ok((await generateText({ model: openai.completion(MODEL), prompt, maxOutputTokens })).text);
  },

  async toolsAuto() {
    for (const model of models) {
      const { text, toolCalls } = await generateText({ model, prompt, maxOutputTokens: 32, tools });
      assert.ok(text || toolCalls.length > 0);
    }
  },

  async toolsRequired() {
    const asked = { prompt, tools, toolChoice: 'required', maxOutputTokens: 256 };
    for (const model of models) {
      const { toolCalls } = await unlessRefused(() => generateText({ model, ...asked }));
      assert.equal(toolCalls[0].toolName, 'weather');
      assert.ok(!toolCalls[0].invalid, JSON.stringify(toolCalls[0]));
    }
  },

  async schemaHelper() {
    const schema = z.object({ name: z.string().max(20), age: z.int().min(0).max(150) });
    const asked = { prompt, output: Output.object({ schema }), maxOutputTokens: 128 };
    for (const model of models) {
      const { output } = await unlessRefused(() => generateText({ model, ...asked }));
      assert.ok(schema.safeParse(output).success);
    }
  },

  async errors() {
    await fails(() => generateText({ model: openai.chat('no-such-model'), prompt }), { statusCode: 404 });
    await fails(() => generateText({ model: compatible(MODEL), prompt, temperature: 9 }), {
      statusCode: 400,
    });
  },

  async retries() {
    const asked = { model: limited, prompt, maxOutputTokens: 1 };
    assert.equal((await untilLimited(() => generateText({ ...asked, maxRetries: 0 }))).statusCode, 429);
    await generateText({ ...asked, maxRetries: 4 });
  },
};

const slow = {
  async pauses() {
    const stream = streamText({ model: models[0], prompt, maxOutputTokens: 3 });
    await stream.consumeStream();
    assert.ok(await stream.finishReason);
  },

  async timeouts() {
    const abortSignal = AbortSignal.timeout(2_000);
    await fails(() => generateText({ model: models[0], prompt, maxRetries: 0, abortSignal }), {});
  },
};

await run('ai', cases, slow);
