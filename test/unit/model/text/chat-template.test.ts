import { readFileSync } from 'node:fs';
import {
  type ChatMessage,
  type ChatTemplate,
  loadChatTemplate,
} from '../../../../services/lib/model/text/chat-template.js';
import type { Tool } from '../../../../services/lib/model/text/tool-turns.js';

/** Made by scripts/fixtures/chat_templates.py. */
const fixture = JSON.parse(
  readFileSync(new URL('../../../fixtures/chat-templates.json', import.meta.url), 'utf8'),
) as {
  now: string;
  templates: Record<string, Record<string, unknown>>;
  tools: Tool[];
  conversations: ChatMessage[][];
  cases: {
    template: string;
    conversation: number;
    addGenerationPrompt: boolean;
    tools: boolean;
    output?: string;
    error?: string;
  }[];
};

function load(tokenizerConfig: Record<string, unknown>): ChatTemplate {
  const text = { tokenizer: {}, tokenizerConfig };
  return loadChatTemplate(text, () => new Date(fixture.now));
}

const prompt = { addGenerationPrompt: true };
const hi: ChatMessage = { role: 'user', content: 'Hi' };

describe('Jinja2 with the settings of transformers', () => {
  it.each(Object.keys(fixture.templates))('renders the template %s alike', (name) => {
    const template = load(fixture.templates[name]!);
    const cases = fixture.cases.filter((one) => one.template === name);
    const ways = ['hermes', 'llama-3', 'mistral-tools'].includes(name) ? 3 : 2;
    expect(cases).toHaveLength(ways * fixture.conversations.length);
    for (const { conversation, addGenerationPrompt, tools, output, error } of cases) {
      const messages = fixture.conversations[conversation]!;
      // What templates make of calls that they do not know is below.
      if (ways === 2 && messages.some(({ tool_calls: calls }) => calls)) continue;
      const render = () =>
        template.render(messages, { addGenerationPrompt, tools: tools ? fixture.tools : [] });
      if (error === undefined) expect(render()).toBe(output);
      else
        expect(render).toThrow(
          expect.objectContaining({ code: 'chat_template_failed', message: error }) as Error,
        );
    }
  });
});

describe('a chat template', () => {
  it('joins text parts by newlines, and takes no content for empty content', () => {
    const template = load({
      chat_template: "{% for m in messages %}[{{ m.role }}: {{ m['content'] }}]{% endfor %}",
    });
    const parts = [
      { type: 'text', text: 'one' },
      { type: 'text', text: 'two' },
    ] as const;
    const messages = [
      { role: 'user', content: parts },
      { role: 'assistant', content: null },
    ];
    expect(template.render(messages, prompt)).toBe('[user: one\ntwo][assistant: ]');
  });

  it('sees variables of the request', () => {
    const template = load({ chat_template: '{{ mood }}{{ strftime_now("%Y") }}' });
    expect(template.render([hi], { ...prompt, variables: { mood: 'calm ' } })).toBe('calm 2024');
  });

  it('sees special tokens in either form that a tokenizer_config.json has', () => {
    const config = { bos_token: { content: '<s>', lstrip: false }, eos_token: '</s>', pad_token: null };
    const template = load({
      ...config,
      chat_template: '{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}',
    });
    expect(template.render([hi], prompt)).toBe('<s></s>False');
  });

  it.each([
    ['hermes', 'hermes'],
    ['llama-3', 'llama3'],
    ['mistral-tools', 'mistral'],
    ['mistral', 'plain'],
    ['demo', 'plain'],
  ])('shows how the model calls tools: %s', (name, style) => {
    expect(load(fixture.templates[name]!).toolStyle.name).toBe(style);
  });

  it('is the one named default where there are several', () => {
    const chat_template = [
      { name: 'tool_use', template: 'tools' },
      { name: 'default', template: 'chat' },
    ];
    expect(load({ chat_template }).render([hi], prompt)).toBe('chat');
  });

  it('counts as Python does', () => {
    const chat_template = '{{ range(3) }} {{ range(2, 5) }} {{ range(9, 2, -3) }} {{ range(5, 1) }}';
    expect(load({ chat_template }).render([hi], prompt)).toBe('[0, 1, 2] [2, 3, 4] [9, 6, 3] []');
  });

  it.each([
    ['{% for i in [1, 2, 3] %}{% if i == 1 %}{% set x = 7 %}{% endif %}[{{ x }}]{% endfor %}', '[7][][]'],
    [
      '{% set x = 0 %}{% for i in [1, 2] %}{% if i == 1 %}{% set x = 7 %}{% endif %}{{ x }}{% endfor %}{{ x }}',
      '700',
    ],
    ['{% for i in [1, 2, 3] %}{{ i }}{% if i == 2 %}c{% continue %}{% endif %}b{% endfor %}', '1b2c3b'],
    ['{% for i in [1, 2, 3] %}{{ i }}{% if i == 2 %}c{% break %}{% endif %}b{% endfor %}', '1b2c'],
    [
      '{% for i in [1, 2] %}{% for k in [3, 4] %}{{ k }}{% break %}{% endfor %}{{ i }}{% else %}e{% endfor %}',
      '3132',
    ],
    ['{% set x = 1 %}{% filter upper %}{% set x = "a" %}{{ x }}{% endfilter %}{{ x }}', 'A1'],
    ['{{ -7 % 3 }} {{ 7 % -3 }} {{ -7.5 % 2 }} {{ 6 % 3 }}', '2 -2 0.5 0'],
  ])('does as Jinja2 does: %s', (chat_template, output) => {
    expect(load({ chat_template }).render([hi], prompt)).toBe(output);
  });

  it('has words that no variable changes, and no range longer than that of the sandbox', () => {
    const variables = { true: false, None: 'x' };
    const template = load({ chat_template: '{{ true }} {{ None }}{{ range(n) | length }}' });
    expect(template.render([hi], { ...prompt, variables: { ...variables, n: 100_000 } })).toBe(
      'True None100000',
    );
    expect(() => template.render([hi], { ...prompt, variables: { ...variables, n: 100_001 } })).toThrow(
      expect.objectContaining({ code: 'chat_template_failed' }) as Error,
    );
  });

  it.each([{}, { chat_template: null }, { chat_template: [{ name: 'tool_use', template: 'tools' }] }])(
    'that is missing is an error of the request: %j',
    (config) => {
      expect(() => load(config).render([hi], prompt)).toThrow(
        expect.objectContaining({ code: 'chat_template_missing' }) as Error,
      );
    },
  );

  it('that is no Jinja is known when it is loaded, and refuses each chat with the reason', () => {
    const template = load({ chat_template: '{% if %}' });
    expect(template.problem).toContain('no Jinja');
    expect(() => template.render([hi], prompt)).toThrow(
      expect.objectContaining({ code: 'chat_template_failed', message: template.problem }) as Error,
    );
    expect(load({}).problem).toBe('the model has no chat template');
    expect(load({ chat_template: '{{ 1 }}' }).problem).toBeNull();
  });
});
