import fc from 'fast-check';
import { ToolOutput } from '../../../../services/gateway/answer/tool-output.js';
import { toolStyleOf, type ToolStyle } from '../../../../services/lib/model/text/tool-style.js';
import type { ToolCallPiece } from '../../../../services/lib/openai/response-format.js';

const styles: Readonly<Record<ToolStyle['name'], ToolStyle>> = {
  hermes: toolStyleOf('{{ tools }}<tool_call>'),
  llama3: toolStyleOf('{{ tools }}<|python_tag|>'),
  mistral: toolStyleOf('{{ tools }}[TOOL_CALLS]'),
  plain: toolStyleOf(''),
};

interface Heard {
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly arguments: string }[];
}
const said = (text: string, ...calls: (readonly [name: string, args: string])[]): Heard => ({
  text,
  calls: calls.map(([name, args]) => ({ name, arguments: args })),
});

const read = (style: ToolStyle, parallel = true): ToolOutput =>
  new ToolOutput({ style, names: new Set(['weather', 'now']), parallel, finishReason: 'tool_calls' });

/** What a client makes of the pieces; it may rely on what comes of a call first. */
function hear(
  style: ToolStyle,
  pieces: readonly string[],
  parallel = true,
): Heard & { deltas: ToolCallPiece[] } {
  const output = read(style, parallel);
  const all = pieces.map((piece, index) => output.push(piece, index === pieces.length - 1));
  const deltas = all.flatMap(({ calls }) => calls);
  const calls: { name: string; arguments: string }[] = [];
  for (const { index, id, name, arguments: args } of deltas) {
    if (index === calls.length) {
      expect(id).toMatch(style.name === 'mistral' ? /^[a-f0-9]{9}$/ : /^call_[a-f0-9]{24}$/);
      calls.push({ name: name!, arguments: args });
    } else {
      expect([index, id, name]).toEqual([calls.length - 1, undefined, undefined]);
      calls[index]!.arguments += args;
    }
  }
  expect(output.count).toBe(calls.length);
  return { text: all.map(({ text }) => text).join(''), calls, deltas };
}

/** Cut anywhere. */
const chunked = (text: string): fc.Arbitrary<string[]> =>
  fc.array(fc.nat(text.length), { maxLength: 12 }).map((cuts) => {
    const at = [0, ...cuts.sort((a, b) => a - b), text.length];
    return at.slice(1).map((end, index) => text.slice(at[index], end));
  });

function expectHeard(name: ToolStyle['name'], text: string, { text: content, calls }: Heard): void {
  const expected = { text: content, calls };
  expect(hear(styles[name], [text])).toMatchObject(expected);
  expect(hear(styles[name], Array.from(text))).toMatchObject(expected);
  fc.assert(
    fc.property(chunked(text), (pieces) => {
      expect(hear(styles[name], pieces)).toMatchObject(expected);
    }),
    { numRuns: 40 },
  );
}

const NOW = '{"name": "now", "arguments": {}}';
const WEATHER = '{"name": "weather", "arguments": {"city": "B}\\"{ern", "days": [1, {"a": "</tool_call>"}]}}';
const weather = ['weather', '{"city": "B}\\"{ern", "days": [1, {"a": "</tool_call>"}]}'] as const;
const now = ['now', '{}'] as const;
const tagged = (call: string): string => `<tool_call>\n${call}\n</tool_call>`;

describe('calls in an answer', () => {
  test.each<[ToolStyle['name'], string, Heard]>([
    ['hermes', tagged(WEATHER), said('', weather)],
    ['hermes', `\n\n${tagged(WEATHER)}\n${tagged(NOW)}\n`, said('', weather, now)],
    ['hermes', `Let me see.\n${tagged(NOW)}`, said('Let me see.\n', now)],
    ['hermes', `${tagged(NOW)}\n\nSo it is. <b>`, said('\n\nSo it is. <b>', now)],
    ['hermes', `<tool_call>[${WEATHER}, ${NOW}]</tool_call>`, said('', weather, now)],
    [
      'hermes',
      '<tool_call>{"arguments": {"a": 1}, "name": "now"}</tool_call>',
      said('', ['now', '{"a": 1}']),
    ],
    ['hermes', '<tool_call>{"name":"now"}</tool_call>', said('', now)],
    ['hermes', '<tool_call>{"name":"now","arguments":null,"id":7}</tool_call>', said('', now)],
    ['hermes', '<tool_call>{"name":"now","parameters":{ }}</tool_call>', said('', ['now', '{ }'])],
    ['hermes', '<tool_call>{"name":"unheard of","arguments":{}}', said('', ['unheard of', '{}'])],
    ['hermes', '<tool_call>{"name":"now","arguments":"{\\"a\\": 1}"}', said('', ['now', '{"a": 1}'])],
    ['llama3', '{"name": "now", "parameters": {"a": null}}', said('', ['now', '{"a": null}'])],
    ['llama3', `<|python_tag|>${WEATHER}; ${NOW}`, said('', weather, now)],
    ['llama3', `${NOW};${NOW}`, said('', now, now)],
    ['llama3', '{"type": "function", "name": "now", "parameters": {}}', said('', now)],
    ['mistral', `[TOOL_CALLS] [${WEATHER}, ${NOW}]`, said('', weather, now)],
    ['mistral', `[TOOL_CALLS][${NOW}] Done.`, said(' Done.', now)],
    ['mistral', `[TOOL_CALLS]weather[ARGS]${weather[1]}[TOOL_CALLS]now[ARGS]{}`, said('', weather, now)],
    ['mistral', `[TOOL_CALLS]now[CALL_ID]abc123def[ARGS]{}`, said('', now)],
    ['mistral', `[TOOL_CALLS]now{"a": {"b": "}"}}`, said('', ['now', '{"a": {"b": "}"}}'])],
    ['plain', tagged(WEATHER), said('', weather)],
    ['plain', ` ${NOW}`, said('', now)],
    ['plain', `${NOW}</tool_call>`, said('', now)],
  ])('of the style %s: %s', expectHeard);

  test.each<[ToolStyle['name'], string]>([
    ['hermes', 'No call at all.'],
    ['hermes', ' \n'],
    ['hermes', 'a <tool_call'],
    ['hermes', '<tool_call>'],
    ['hermes', '<tool_call>\n{"name": "now", "argu'],
    ['hermes', '<tool_call>\n{"name": "now" "arguments": {}}</tool_call>'],
    ['hermes', '<tool_call>{"arguments": {}}</tool_call>'],
    ['hermes', '<tool_call>{"name": 7, "arguments": {}}</tool_call>'],
    ['hermes', '<tool_call>{"name": "now", "arguments": [1]}</tool_call>'],
    ['hermes', '<tool_call>{"name": "now", "arguments": tomorrow}</tool_call>'],
    ['hermes', '<tool_call>[[{"name": "now"}]]</tool_call>'],
    ['hermes', '<tool_call>{}</tool_call>'],
    ['hermes', NOW],
    ['llama3', '{"city": "Bern"}'],
    ['llama3', '{"name": "nobody", "parameters": {}}'],
    ['llama3', '{"name": "now", "colour": "red"}'],
    ['llama3', `So: ${NOW}`],
    ['llama3', '<|python_tag|>print(1)'],
    ['mistral', '[TOOL_CALLS] none of them'],
    ['mistral', `[TOOL_CALLS]${'x'.repeat(300)}`],
    ['plain', `Like ${NOW}`],
  ])('of the style %s are none, and all is text: %s', (style, text) => {
    expectHeard(style, text, said(text));
  });

  test('go on as text where they do not go on as calls', () => {
    const cases: [string, Heard][] = [
      [`<tool_call><tool_call>${NOW}`, said('<tool_call>', now)],
      [`<tool_call>{"a" ${tagged(NOW)}`, said('<tool_call>{"a" ', now)],
      [`<tool_call>${NOW} and more`, said(' and more', now)],
      [`<tool_call>[${NOW}, and more`, said(', and more', now)],
      ['<tool_call>{"name": "now", "arguments": {} what', said('what', now)],
    ];
    for (const [text, heard] of cases) expectHeard('hermes', text, heard);
  });

  test('come piece by piece, and what is certain is not held back', () => {
    const output = read(styles.hermes);
    expect(output.push('Let me see <to')).toEqual({ text: 'Let me see ', calls: [] });
    expect(output.push('ol_call>{"name": "now", "arguments": ')).toEqual({ text: '', calls: [] });
    const [first] = output.push('{"a').calls;
    expect(first).toMatchObject({ index: 0, name: 'now', arguments: '{"a' });
    expect(output.push('": 1')).toEqual({ text: '', calls: [{ index: 0, arguments: '": 1' }] });
  });

  test('end the answer with the first where there may be one only', () => {
    const output = read(styles.hermes, false);
    expect(output.push(`<tool_call>${NOW.slice(0, -1)}`)).toMatchObject({ calls: [{ name: 'now' }] });
    expect(output.ended).toBe(false);
    expect(output.push(`}</tool_call>${tagged(NOW)} more`)).toEqual({ text: '', calls: [] });
    expect([output.ended, output.push('', true)]).toEqual([true, { text: '', calls: [] }]);
  });

  test('keep what an answer was cut in', () => {
    expectHeard(
      'hermes',
      `<tool_call>${WEATHER.slice(0, 50)}`,
      said('', ['weather', WEATHER.slice(WEATHER.indexOf('{"city'), 50)]),
    );
    expectHeard('hermes', `<tool_call>${NOW}</tool`, said('', now));
  });

  test('are told alike in every chunking of any text, and nothing of it is lost', () => {
    const words = [
      '<tool_call>',
      '</tool_call>',
      '[TOOL_CALLS]',
      '<|python_tag|>',
      '[ARGS]',
      NOW,
      WEATHER,
      ';',
      ',',
    ];
    const bits = [
      ...words,
      '{',
      '}',
      '[',
      ']',
      '"',
      ':',
      '\\',
      ' ',
      '\n',
      'x',
      '"name"',
      '"now"',
      '"arguments"',
    ];
    const text = fc.array(fc.constantFrom(...bits), { maxLength: 14 }).map((parts) => parts.join(''));
    const anyStyle = fc.constantFrom(...Object.values(styles));
    fc.assert(
      fc.property(
        anyStyle,
        text.chain((whole) => fc.tuple(fc.constant(whole), chunked(whole))),
        (style, [whole, pieces]) => {
          const heard = hear(style, [whole]);
          expect(hear(style, pieces)).toMatchObject({ text: heard.text, calls: heard.calls });
          if (heard.calls.length === 0) expect(heard.text).toBe(whole);
        },
      ),
      { numRuns: 1500 },
    );
  });
});
