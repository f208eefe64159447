import { readFileSync } from 'node:fs';
import type { ChatMessage } from '../../../../services/lib/model/text/chat-template.js';
import { compileTemplate, strftime } from '../../../../services/lib/model/text/jinja.js';

/** Random templates, by Jinja2 as transformers sets it up (scripts/fixtures/template_cases.py). */
const fixture = JSON.parse(
  readFileSync(new URL('../../../fixtures/template-cases.json', import.meta.url), 'utf8'),
) as {
  now: string;
  conversations: ChatMessage[][];
  cases: { template: string; conversation: number; output?: string; error?: string }[];
};

/** What the template makes, or null where it is refused, at once or when it is rendered. */
function rendered(source: string, messages: readonly ChatMessage[]): string | null {
  const more = { bos_token: '<s>', tools: null, documents: null, add_generation_prompt: true };
  try {
    const template = compileTemplate(source, () => new Date(fixture.now));
    return template({ ...more, messages, message: messages.at(-1) });
  } catch {
    return null;
  }
}

describe('Jinja2', () => {
  it('renders every template as we do, but for those that are refused', () => {
    expect(fixture.cases.length).toBeGreaterThanOrEqual(3_000);
    const made = fixture.cases.map(({ template, conversation, output = null }) => {
      return { template, own: rendered(template, fixture.conversations[conversation]!), output };
    });
    expect(made.filter(({ own, output }) => own !== null && own !== output)).toEqual([]);
    // Filters, methods and statements that the library lacks are refused by name, not served wrong.
    const refused = made.filter(({ own, output }) => own === null && output !== null);
    expect(refused.length).toBeLessThan(0.3 * made.length);
  });
});

it('makes the text of a value that Python makes', () => {
  const source = "{{ true|string ~ (none|string) ~ ([1, 'a', {'b': false}]|string) ~ (nothing|string) }}";
  expect(rendered(source, [])).toBe("TrueNone[1, 'a', {'b': False}]");
});

describe('strftime', () => {
  it('writes dates as C does, in English', () => {
    const date = new Date(2024, 6, 4, 9, 5, 7);
    expect(strftime(date, '%d %b %Y')).toBe('04 Jul 2024');
    expect(strftime(date, '%A, %B %d, %y at %I:%M %p')).toBe('Thursday, July 04, 24 at 09:05 AM');
    expect(strftime(date, '%a %Y-%m-%dT%H:%M:%S')).toBe('Thu 2024-07-04T09:05:07');
  });

  it('counts the hours of both halves of the day from twelve', () => {
    expect(strftime(new Date(2024, 0, 1, 0, 30), '%I%p')).toBe('12AM');
    expect(strftime(new Date(2024, 0, 1, 13), '%I%p')).toBe('01PM');
  });

  it('leaves alone what it does not know', () => {
    expect(strftime(new Date(2024, 0, 1), '100%% %Q %')).toBe('100% %Q %');
  });
});
