import {
  type ChatMessage,
  loadChatTemplate,
  renderPrompt,
} from '../../../../services/lib/model/text/chat-template.js';
import { thrownBy } from '../../../support/thrown-by.js';

const template = (content: string) =>
  loadChatTemplate({
    tokenizer: {},
    tokenizerConfig: {
      chat_template:
        `{% for message in messages %}<{{ message.role }}>{{ ${content} }}</turn>\n{% endfor %}` +
        '{% if add_generation_prompt %}<assistant>{% endif %}{{ mood }}',
    },
  });
const messages: ChatMessage[] = [
  { role: 'user', content: 'Count.' },
  { role: 'assistant', content: 'One, ' },
];
const continued = { addGenerationPrompt: false, continueFinalMessage: true };

describe('a prompt', () => {
  test('asks for an answer, or ends within the last message', () => {
    const answer = { addGenerationPrompt: true, continueFinalMessage: false, variables: { mood: 'calm' } };
    const turns = '<user>Count.</turn>\n<assistant>One, ';
    expect(renderPrompt(template('message.content'), messages, answer)).toBe(
      `${turns}</turn>\n<assistant>calm`,
    );
    expect(renderPrompt(template('message.content'), messages, continued)).toBe(turns);
  });

  test('ends where a template that trims would end it', () => {
    const prompt = renderPrompt(template('message.content | trim'), messages, continued);
    expect(prompt).toBe('<user>Count.</turn>\n<assistant>One,');
  });

  test('continues the last of several text parts', () => {
    const parts = ['One', 'Two'].map((text) => ({ type: 'text', text }) as const);
    const last = { role: 'assistant', content: parts };
    expect(renderPrompt(template('message.content'), [last], continued)).toBe('<assistant>One\nTwo');
  });

  test('is refused where there is nothing to continue', async () => {
    const empty = { role: 'assistant', content: [] };
    const refusal = await thrownBy(() => renderPrompt(template('message.content'), [empty], continued));
    expect(refusal).toMatchObject({ code: 'invalid_value', param: 'continue_final_message' });
    const call = { type: 'function', function: { name: 'now', arguments: {} } } as const;
    const called = { role: 'assistant', content: 'Let me', tool_calls: [call] };
    const calling = await thrownBy(() => renderPrompt(template('message.content'), [called], continued));
    expect(calling).toMatchObject({ code: 'invalid_value', param: 'continue_final_message' });
    const hidden = await thrownBy(() => renderPrompt(template("''"), messages, continued));
    expect(hidden.code).toBe('chat_template_failed');
  });
});
