import { Ajv } from 'ajv';
import { ToolOutput } from '../../../services/gateway/answer/tool-output.js';
import { TextWork } from '../../../services/gateway/text/text-work.js';
import { compileConstraint } from '../../../services/lib/grammar/matcher.js';
import { sourceOfForm } from '../../../services/lib/grammar/source.js';
import type { CallForm } from '../../../services/lib/grammar/tools.js';
import { toolStyleOf } from '../../../services/lib/model/text/tool-style.js';
import { takes, walk } from '../../support/grammar.js';
import { thrownBy } from '../../support/thrown-by.js';
import { smallTrie } from '../../support/vocabulary.js';

const styles = {
  hermes: toolStyleOf('{{ tools }}<tool_call>'),
  llama3: toolStyleOf('{{ tools }}<|python_tag|>'),
  mistral: toolStyleOf('{{ tools }}[TOOL_CALLS]'),
  headed: toolStyleOf('{{ tools }}[TOOL_CALLS][ARGS]'),
};
type StyleName = keyof typeof styles;
const STYLES = Object.keys(styles) as StyleName[];

const schema = {
  type: 'object',
  properties: {
    city: { enum: ['Bern', '</tool_call>'] },
    days: { type: 'array', items: { type: 'integer' }, maxItems: 2 },
  },
  required: ['city'],
  additionalProperties: false,
};
const tools = [
  { name: 'weather', parameters: schema, param: 'tools[0].function.parameters' },
  {
    name: 'now',
    parameters: { properties: {}, additionalProperties: false },
    param: 'tools[1].function.parameters',
  },
];
const trie = smallTrie();
const anyCalls = { kind: 'calls', tools, choice: 'auto', parallel: true, otherwise: null } as const;
const constraintOf = (style: StyleName, more: Partial<CallForm> = {}) =>
  compileConstraint(sourceOfForm({ ...anyCalls, style: styles[style], ...more }), trie);

const WEATHER = '{"name": "weather", "arguments": {"city": "Bern", "days": [1]}}';
const NOW = '{"name": "now", "arguments": {}}';
const tagged = (call: string): string => `<tool_call>\n${call}\n</tool_call>`;
const bare = (call: string): string => call.replace('arguments', 'parameters');

const CALLS: Readonly<Record<StyleName, readonly string[]>> = {
  hermes: [tagged(WEATHER), `${tagged(NOW)}\n${tagged(WEATHER)}`, `<tool_call>${NOW}</tool_call>`],
  llama3: [bare(WEATHER), `${bare(NOW)}; ${bare(WEATHER)}`, `<|python_tag|>${bare(NOW)};${bare(NOW)}`],
  mistral: [`[TOOL_CALLS] [${WEATHER}]`, `[TOOL_CALLS][${NOW}, ${WEATHER}]`],
  headed: ['[TOOL_CALLS]now[ARGS]{}', '[TOOL_CALLS]weather[ARGS]{"city":"Bern"}[TOOL_CALLS]now[ARGS]{}'],
};

describe.each(STYLES)('the grammar of calls in the style %s', (style) => {
  const whole = CALLS[style].filter((text) => !text.startsWith('<tool_call>{'));

  it('takes calls of the tools, among any text, or as all that there may be', () => {
    for (const text of CALLS[style]) {
      expect([text, takes(constraintOf(style), text)]).toEqual([text, true]);
      expect([text, takes(constraintOf(style, { choice: 'required' }), text)]).toEqual([text, true]);
    }
    expect(takes(constraintOf(style), 'No call. <b> [1] é')).toBe(true);
    expect(takes(constraintOf(style, { choice: 'required' }), 'No call.')).toBe(false);
    expect(takes(constraintOf(style, { choice: 'required' }), '')).toBe(false);
  });

  it('takes no call of another name, nor with arguments that the schema forbids', () => {
    const wrong = [
      ['Bern', 'Rome'],
      ['weather', 'climate'],
      ['{}', '{"a": 1}'],
      ['"name"', '"nome"'],
    ] as const;
    for (const [from, to] of wrong) {
      for (const text of whole.filter((one) => one.includes(from))) {
        expect([text, takes(constraintOf(style), text.replace(from, to))]).toEqual([text, false]);
      }
    }
  });

  it('takes one call where there may be one', () => {
    const [one, two] = [whole[0]!, whole.find((text) => text.includes('now') && text.includes('weather'))!];
    for (const choice of ['auto', 'required'] as const) {
      expect(takes(constraintOf(style, { choice, parallel: false }), one)).toBe(true);
      expect(takes(constraintOf(style, { choice, parallel: false }), two)).toBe(false);
    }
  });

  it.each(['auto', 'required'] as const)(
    'lets through only calls that are read as such and are valid: %s',
    (choice) => {
      const constraint = constraintOf(style, { choice });
      const validate = new Ajv().compile(schema);
      let seed = 7;
      const random = (): number => (seed = (seed * 48_271) % 0x7fffffff) / 0x7fffffff;
      let [called, ended] = [0, 0];
      for (let turn = 0; turn < 60; turn++) {
        const matcher = constraint.matcher();
        // In free text a random walk begins no call.
        if (choice === 'auto') for (const byte of Buffer.from(styles[style].begin)) matcher.accept(byte);
        const walked = walk(matcher, random, { patience: 60 });
        if (!walked.ended) continue;
        ended += 1;
        const text = (choice === 'auto' ? styles[style].begin : '') + walked.text;
        const names = new Set(tools.map(({ name }) => name));
        const output = new ToolOutput({ style: styles[style], names, parallel: true, finishReason: 'stop' });
        const { calls } = output.push(text, true);
        expect(calls.length).toBeGreaterThan(0);
        for (const { name, arguments: args } of calls) {
          const valid = name === 'weather' ? validate(JSON.parse(args)) : args === '{}' || args === '{ }';
          expect([text, names.has(name!), valid]).toEqual([text, true, true]);
          called += 1;
        }
      }
      expect([called > 20, ended > 20]).toEqual([true, true]);
    },
  );
});

describe('a call that begins an answer by itself', () => {
  it('is told by its brace: any other object is none', () => {
    const constraint = constraintOf('llama3');
    expect(takes(constraint, '{"city": "Bern"}')).toBe(false);
    expect(takes(constraint, ` \n${bare(NOW)}`)).toBe(true);
    expect(takes(constraint, 'So: {"city": "Bern"}')).toBe(true);
    expect(takes(constraint, '<b>')).toBe(true);
    expect(takes(constraint, 'So: <|python_tag|>no')).toBe(false);
  });
});

describe('an answer that has to be of a form where it calls nothing', () => {
  it('is calls or of the form', () => {
    const otherwise = { kind: 'choice', choices: ['yes', 'no'] } as const;
    const constraint = compileConstraint(
      sourceOfForm({ ...anyCalls, style: styles.hermes, otherwise }),
      trie,
    );
    const texts = ['yes', tagged(NOW), `${tagged(NOW)}\n${tagged(WEATHER)}`, 'maybe', `yes${tagged(NOW)}`];
    expect(texts.map((text) => takes(constraint, text))).toEqual([true, true, true, false, false]);
  });
});

describe('a schema that is not served', () => {
  it('is refused with the tool that has it', async () => {
    const parameters = { type: 'object', properties: { a: { type: 'array', uniqueItems: true } } };
    const more = [...tools, { name: 'more', parameters, param: 'tools[2].function.parameters' }];
    const form = { ...anyCalls, style: styles.hermes, tools: more };
    const work = new TextWork({} as never, null);
    const { signal } = new AbortController();
    const refusal = await thrownBy(() => work.run({ kind: 'constraint', form, param: 'tools' }, signal));
    expect(refusal).toMatchObject({ code: 'unsupported_schema', param: 'tools[2].function.parameters' });
  });
});
