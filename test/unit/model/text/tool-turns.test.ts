import { readFileSync } from 'node:fs';
import { type ChatMessage, loadChatTemplate } from '../../../../services/lib/model/text/chat-template.js';
import type { Tool, ToolCall } from '../../../../services/lib/model/text/tool-turns.js';

const { templates } = JSON.parse(
  readFileSync(new URL('../../../fixtures/chat-templates.json', import.meta.url), 'utf8'),
) as { templates: Record<string, Record<string, unknown>> };
const template = (name: string) => loadChatTemplate({ tokenizer: {}, tokenizerConfig: templates[name]! });
const written = (chat_template: string) =>
  loadChatTemplate({ tokenizer: {}, tokenizerConfig: { chat_template } });

const call = (name: string, args: object, id?: string): ToolCall => ({
  ...(id === undefined ? {} : { id }),
  type: 'function',
  function: { name, arguments: { ...args } },
});
const weather = call('weather', { city: 'Bern "W"' }, 'call_aB3$00000009');
const now = call('now', {});
const CONVERSATION: ChatMessage[] = [
  { role: 'user', content: 'Weather?' },
  { role: 'assistant', content: null, tool_calls: [weather, now] },
  { role: 'tool', content: 'rain', tool_call_id: 'call_aB3$00000009' },
  { role: 'tool', content: '9:05' },
  { role: 'user', content: 'So?' },
];
const CALLS =
  '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern \\"W\\""}}\n</tool_call>\n' +
  '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>';
const RESULTS = '<tool_response>\nrain\n</tool_response>\n<tool_response>\n9:05\n</tool_response>\nSo?';
const tools: Tool[] = ['weather', 'now'].map((name) => ({
  type: 'function',
  function: { name, parameters: { type: 'object', properties: {} } },
}));
const TOOL =
  '\n{"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}\n';
const prompt = { addGenerationPrompt: true };

describe('a conversation that used tools, by a template that knows none', () => {
  it.each([
    ['demo', `<|im_start|>assistant\n${CALLS}<|im_end|>\n<|im_start|>user\n${RESULTS}<|im_end|>\n`],
    ['llama-2', `[INST] Weather? [/INST] ${CALLS} </s><s>[INST] ${RESULTS} [/INST]`],
    ['mistral', `[INST] Weather?[/INST] ${CALLS}</s>[INST] ${RESULTS}[/INST]`],
    ['zephyr', `<|assistant|>\n${CALLS}</s>\n<|user|>\n${RESULTS}</s>\n`],
  ])('has its calls and their results in words: %s', (name, expected) => {
    expect(template(name).render(CONVERSATION, prompt)).toContain(expected);
  });

  it('says what was said beside a call, and joins no turns but those of results', () => {
    const show = written('{% for m in messages %}[{{ m.role }}: {{ m.content }}]{% endfor %}');
    const turns = [
      { role: 'user', content: 'a' },
      { role: 'user', content: 'b' },
      { role: 'assistant', content: 'Let me see.', tool_calls: [now] },
      {
        role: 'tool',
        content: [
          { type: 'text', text: 'x' },
          { type: 'text', text: 'y' },
        ],
      },
      { role: 'assistant', content: 'z' },
    ] as const;
    const said = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>';
    expect(show.render(turns, prompt)).toBe(
      `[user: a][user: b][assistant: Let me see.\n${said}]` +
        '[user: <tool_response>\nx\ny\n</tool_response>][assistant: z]',
    );
  });
});

describe('a conversation that used tools, by a template that knows them', () => {
  it('is as it is, but for ids that the template would refuse', () => {
    expect(template('hermes').render(CONVERSATION, prompt)).toContain(
      `<|im_start|>assistant\n${CALLS}<|im_end|>\n<|im_start|>user\n<tool_response>\nrain`,
    );
    const mistral = template('mistral-tools').render(CONVERSATION, prompt);
    expect(mistral).toContain(
      '{"name": "weather", "arguments": {"city": "Bern \\"W\\""}, "id": "000000001"}, ',
    );
    expect(mistral).toContain('{"name": "now", "arguments": {}, "id": "000000002"}]</s>');
    expect(mistral).toContain('"rain", "call_id": "000000001"}');
    expect(mistral).toContain('"9:05", "call_id": "000000002"}');
  });

  it('is refused in the words of one that takes a single call', () => {
    expect(() => template('llama-3').render(CONVERSATION, prompt)).toThrow('Only one tool call at a time');
    const single = CONVERSATION.map((turn) => (turn.tool_calls ? { ...turn, tool_calls: [now] } : turn));
    expect(template('llama-3').render(single, prompt)).toContain(
      '{"name": "now", "parameters": {}}<|eot_id|>',
    );
  });
});

describe('tools, by a template that knows none', () => {
  const system = { role: 'system', content: 'Be brief.' };
  const user = { role: 'user', content: 'Hi' };

  it('are told of in the system turn, or in one before the first', () => {
    const own = template('zephyr').render([system, user], { ...prompt, tools });
    expect(own).toMatch(/^<\|system\|>\nBe brief\.\n\n# Tools\n/);
    expect(own).toContain(TOOL);
    const added = template('zephyr').render([user], { ...prompt, tools });
    expect(added).toMatch(/^<\|system\|>\n# Tools\n/);
    expect(added).toContain('</tool_call></s>\n<|user|>\nHi</s>');
    expect(template('zephyr').render([user], { ...prompt, tools: [] })).not.toContain('# Tools');
  });

  it.each([
    ['refuses', "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}"],
    ['passes over', ''],
  ])('are told of by the user where the template %s a system turn', (_, head) => {
    const turns =
      "{% for m in messages %}{% if m.role != 'system' %}[{{ m.role }}: {{ m.content }}]{% endif %}{% endfor %}";
    const rendered = written(head + turns).render([user], { ...prompt, tools });
    expect(rendered).toMatch(/^\[user: # Tools\n[^]*<\/tool_call>\n\nHi\]$/);
  });
});
