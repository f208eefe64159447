import fc from 'fast-check';
import { z } from 'zod';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { readChatRequest } from '../../../services/lib/openai/chat-request.js';
import { readCompletionRequest } from '../../../services/lib/openai/completion-request.js';
import { generationFields } from '../../../services/lib/openai/generation-fields.js';
import { arrayOf, parseBody, tokenIds } from '../../../services/lib/openai/parse-body.js';
import { refusedInChat, refusedInCompletions } from '../../../services/lib/openai/fields/refused.js';
import { samplingOver, type ServedModel } from '../../../services/lib/openai/served-model.js';
import { toolFields } from '../../../services/lib/openai/tools.js';
import type { SamplingParams } from '../../../services/lib/sampling/params.js';

const model: ServedModel = {
  id: 'test',
  aliases: [],
  created: 0,
  contextLength: 100,
  vocabulary: 50,
  eosIds: [2],
  checkpoint: {
    digest: '',
    architecture: 'llama',
    layers: 1,
    hidden: 1,
    parameters: 1,
    precision: 'f32',
  },
  split: [],
  sampling: samplingOver({}),
};
const messages = [{ role: 'user', content: 'Hello' }];
const chat = (fields: object, served = model) => readChatRequest({ messages, ...fields }, served);
const completion = (fields: object) => readCompletionRequest({ prompt: 'Hello', ...fields }, model);

/** What no valid request may break, whatever was sent. */
function expectInRange(sampling: SamplingParams): void {
  const { temperature, topP, topK, minP, seed, repetitionPenalty, minTokens } = sampling;
  expect(temperature >= 0 && temperature <= 2).toBe(true);
  expect(topP > 0 && topP <= 1).toBe(true);
  expect(Number.isInteger(topK) && topK >= 0 && topK <= model.vocabulary).toBe(true);
  expect(minP >= 0 && minP <= 1).toBe(true);
  expect(Number.isSafeInteger(seed)).toBe(true);
  expect(repetitionPenalty > 0).toBe(true);
  expect(Number.isInteger(minTokens) && minTokens >= 0).toBe(true);
  for (const id of [...sampling.stopIds, ...sampling.logitBias.map(([token]) => token)]) {
    expect(Number.isInteger(id) && id >= 0 && id < model.vocabulary).toBe(true);
  }
}

describe('a list', () => {
  test('that has too many items is not read', () => {
    let read = 0;
    const item = z.unknown().refine(() => (read += 1) > 0);
    const schema = z.looseObject({ list: arrayOf(item, 3) });
    expect(() => parseBody(schema, { list: [1, 2, 3, 4] })).toThrow(
      expect.objectContaining({ code: 'invalid_value', param: 'list' }) as Error,
    );
    expect(read).toBe(0);
    expect(parseBody(schema, { list: [1, 2, 3] })).toEqual({ list: [1, 2, 3] });
    expect(read).toBe(3);
  });

  test.each([
    0,
    -0,
    1,
    2 ** 53 - 1,
    2 ** 53,
    -1,
    1.5,
    NaN,
    Infinity,
    -Infinity,
    '1',
    '',
    null,
    true,
    [1],
    {},
  ])('of token ids takes %j where each alone would be taken', (odd) => {
    const schema = z.looseObject({ ids: tokenIds });
    const body = { ids: [7, odd, odd] };
    if (z.int().min(0).safeParse(odd).success) expect(parseBody(schema, body)).toEqual(body);
    else {
      expect(() => parseBody(schema, body)).toThrow(
        expect.objectContaining({ code: 'invalid_value', param: 'ids[1]' }) as Error,
      );
    }
  });
});

describe('validating a request', () => {
  test('turns any JSON into checked values or a ServingError of status 400 or 404', () => {
    const fields = [
      ...Object.keys(generationFields),
      ...Object.keys(refusedInChat),
      ...Object.keys(refusedInCompletions),
      ...Object.keys(toolFields),
      'prompt',
      'messages',
    ];
    const anyValue = fc.oneof(
      fc.jsonValue(),
      fc.double(),
      fc.integer({ min: -3, max: 60 }),
      fc.dictionary(fc.nat(60).map(String), fc.integer()),
      fc.array(fc.integer({ min: -1, max: 60 }), { maxLength: 3 }),
    );
    const anyFields = fc.dictionary(fc.constantFrom(...fields), anyValue, { maxKeys: 4 });
    let [valid, refused] = [0, 0];
    fc.assert(
      fc.property(
        anyFields,
        fc.constantFrom((fields: object) => chat(fields), completion),
        (given, validate) => {
          try {
            const { settings } = validate(given);
            expectInRange(settings.sampling);
            expect(settings.choices >= 1 && settings.choices <= 16).toBe(true);
            valid += 1;
          } catch (error) {
            if (!(error instanceof ServingError)) throw error;
            expect([400, 404]).toContain(error.kind.http);
            refused += 1;
          }
        },
      ),
      { numRuns: 2000 },
    );
    expect([valid > 20, refused > 20]).toEqual([true, true]);
  });

  test('refuses a body that is no object', () => {
    for (const body of [undefined, null, 1, 'x', [], true]) {
      expect(() => readChatRequest(body, model)).toThrow(ServingError);
    }
  });

  test('fills in the defaults of OpenAI, and a seed of its own each time', () => {
    const { settings } = chat({});
    expect(settings).toMatchObject({
      choices: 1,
      stream: false,
      includeUsage: false,
      returnTokenIds: false,
      maxTokens: null,
      stop: [],
      sampling: { temperature: 1, topP: 1, topK: 0, repetitionPenalty: 1, logitBias: [], stopIds: [2] },
    });
    expect(chat({}).settings.sampling.seed).not.toBe(settings.sampling.seed);
  });

  test("fills in the served model's defaults of sampling, over which a request's own fields win", () => {
    const sampling = samplingOver({ temperature: 0.2, top_p: 0.9, top_k: 64, repetition_penalty: 1.1 });
    const of = (fields: object) => chat(fields, { ...model, sampling }).settings.sampling;
    const defaults = { temperature: 0.2, topP: 0.9, topK: 50, minP: 0, repetitionPenalty: 1.1 };
    expect(of({})).toMatchObject(defaults);
    expect(of({ temperature: null, top_p: null, top_k: null, repetition_penalty: null })).toMatchObject(
      defaults,
    );
    expect(of({ temperature: 0 })).toMatchObject({ ...defaults, temperature: 0 });
    expect(of({ temperature: 1, top_p: 1, top_k: -1, min_p: 0.1, repetition_penalty: 1 })).toMatchObject({
      ...{ temperature: 1, topP: 1, topK: 0, minP: 0.1, repetitionPenalty: 1 },
    });
    expect(chat({}, { ...model, sampling: samplingOver({ top_p: 0 }) }).settings.sampling).toMatchObject({
      temperature: 0,
      topP: 1,
    });
  });

  test('reads top_k as vLLM does: -1 and 0 are off, more than the vocabulary is all of it', () => {
    expect([-1, 0, 7, 2 ** 40].map((top_k) => chat({ top_k }).settings.sampling.topK)).toEqual([0, 0, 7, 50]);
  });

  test('takes every seed of 64 bits, of which choices can be counted on, and -1 as none', () => {
    const seedOf = (seed: number): number => chat({ seed }).settings.sampling.seed;
    expect([0, 7, -7, 2 ** 52].map(seedOf)).toEqual([0, 7, -7, 2 ** 52]);
    const great = [2 ** 53, 2 ** 63, -(2 ** 63), 2 ** 62].map(seedOf);
    expect(great.every((seed) => Number.isSafeInteger(seed + 16))).toBe(true);
    expect(new Set(great).size).toBe(4);
    expect(seedOf(2 ** 63)).toBe(seedOf(2 ** 63));
    expect(seedOf(-1)).not.toBe(seedOf(-1));
  });

  test('takes a top_p of 0 for the likeliest token', () => {
    for (const temperature of [null, 0, 1]) {
      expect(chat({ top_p: 0, temperature }).settings.sampling).toMatchObject({ temperature: 0, topP: 1 });
    }
  });

  test('takes turns of an assistant that called nothing, or refused', () => {
    const turns = [
      { role: 'assistant', content: null, tool_calls: [] },
      { role: 'assistant', content: null, refusal: 'No.' },
      { role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] },
    ];
    expect(chat({ messages: turns }).messages.map(({ content }) => content)).toEqual([
      '',
      'No.',
      [{ type: 'text', text: 'No.' }],
    ]);
    expect(() => chat({ messages: [{ role: 'user', content: null, refusal: 'No.' }] })).toThrow(ServingError);
  });

  test('takes the calls of an assistant, with arguments as text or as they are', () => {
    const call = (args: unknown, more = {}) => ({ ...more, function: { name: 'f', arguments: args } });
    const of = (turn: object) => chat({ messages: [{ role: 'assistant', ...turn }] }).messages[0];
    const calls = [
      call('{"a": [1]}', { id: 'c1', type: 'function', index: 0 }),
      call(''),
      call({ b: {} }),
      call(null),
      { function: { name: 'f' } },
    ];
    expect(of({ content: null, tool_calls: calls })).toEqual({
      role: 'assistant',
      content: '',
      tool_calls: [
        { id: 'c1', type: 'function', function: { name: 'f', arguments: { a: [1] } } },
        ...[{}, { b: {} }, {}, {}].map((args) => ({
          type: 'function',
          function: { name: 'f', arguments: args },
        })),
      ],
    });
    expect(of({ tool_calls: calls.slice(0, 1), content: 'So' })).toMatchObject({ content: 'So' });
    expect(of({ function_call: { name: 'g', arguments: '{}' } })).toMatchObject({
      content: '',
      tool_calls: [{ type: 'function', function: { name: 'g', arguments: {} } }],
    });
    const older = { role: 'function', name: 'g', content: '7' };
    expect(chat({ messages: [older] }).messages).toEqual([{ role: 'tool', name: 'g', content: '7' }]);
    expect(of({ content: 'x', tool_calls: [] })).toEqual({ role: 'assistant', content: 'x' });
  });

  test('takes a chat template where the operator trusts it, and shows special tokens when told to', () => {
    const trusting = { ...model, takesTemplates: true };
    expect(chat({ chat_template: '{{ 1 }}' }, trusting).rendering.chatTemplate).toBe('{{ 1 }}');
    expect(chat({ chat_template: '' }).rendering.chatTemplate).toBeUndefined();
    expect(() => chat({ chat_template: 'x'.repeat(70_000) }, trusting)).toThrow('chat_template');
    const shown = [null, true, false].map(
      (skip_special_tokens) => chat({ skip_special_tokens }).settings.showSpecial,
    );
    expect(shown).toEqual([false, false, true]);
  });

  test('takes tools in the form of OpenAI, and says how they may be called', () => {
    const tool = (called: object) => ({ type: 'function', function: called });
    const parameters = { type: 'object', properties: { city: { type: 'string' } } };
    const tools = [
      tool({ name: 'weather', description: 'It', parameters, strict: false, more: 1 }),
      tool({ name: 'now', parameters: null }),
    ];
    const { rendering, toolUse } = chat({ tools });
    expect(toolUse).toEqual({
      tools: [
        tool({ name: 'weather', description: 'It', parameters }),
        tool({ name: 'now', parameters: { type: 'object', properties: {} } }),
      ],
      choice: 'auto',
      parallel: true,
      strict: new Set(),
      boundBy: null,
    });
    expect(rendering.tools).toEqual(toolUse!.tools);
    expect(chat({ tools, tool_choice: 'none', parallel_tool_calls: false }).toolUse).toMatchObject({
      choice: 'none',
      parallel: false,
    });
    expect(chat({ tools: [], tool_choice: 'auto', parallel_tool_calls: true }).toolUse).toBeNull();
  });

  test('knows what binds calls to a form', () => {
    const tools = ['a', 'b'].map((name) => ({ type: 'function', function: { name, strict: name === 'b' } }));
    const bound = [
      [{ tools }, 'tools[1].function.strict'],
      [{ tools: [tools[0]] }, null],
      [{ tools, tool_choice: 'none' }, null],
      [{ tools: [tools[0]], tool_choice: 'required' }, 'tool_choice'],
      [{ tools, tool_choice: { type: 'function', function: { name: 'a' } } }, 'tool_choice'],
    ] as const;
    expect(bound.map(([fields]) => chat(fields).toolUse!.boundBy)).toEqual(bound.map(([, field]) => field));
    expect(chat({ tools }).toolUse!.strict).toEqual(new Set(['b']));
    // What templates show of a tool does not change by it.
    expect(JSON.stringify(chat({ tools }).rendering.tools)).not.toContain('strict');
    expect(() => chat({ tools, ignore_eos: true })).toThrow('ignore_eos cannot be true');
  });

  test('ends at eos and the stop_token_ids, or only at those with ignore_eos', () => {
    expect(chat({ stop_token_ids: [7, 2] }).settings.sampling.stopIds).toEqual([2, 7]);
    expect(chat({ stop_token_ids: [7], ignore_eos: true }).settings.sampling.stopIds).toEqual([7]);
  });

  test('keeps text parts and names, and calls a developer by the older name', () => {
    const parts = [
      { type: 'text', text: 'Be' },
      { type: 'text', text: 'brief' },
    ];
    const { messages: valid } = chat({
      messages: [
        { role: 'developer', content: parts },
        { role: 'tool', content: '3', tool_call_id: 'c1', name: 'sum', more: 1 },
      ],
    });
    expect(valid).toEqual([
      { role: 'system', content: parts },
      { role: 'tool', content: '3', tool_call_id: 'c1', name: 'sum' },
    ]);
  });
});
