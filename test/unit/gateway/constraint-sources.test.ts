import { ConstraintSources } from '../../../services/gateway/text/constraint-sources.js';
import { runTextTask, type TextTask } from '../../../services/gateway/text/text-task.js';
import { TextWork } from '../../../services/gateway/text/text-work.js';
import { compileConstraint } from '../../../services/lib/grammar/matcher.js';
import type { AskedForm } from '../../../services/lib/openai/fields/constraints.js';
import { smallTrie } from '../../support/vocabulary.js';
import { takes } from '../../support/grammar.js';
import { thrownBy } from '../../support/thrown-by.js';
import { byteTokenizer, lineTemplate } from './byte-text.js';

const signal = new AbortController().signal;
const asked: AskedForm = { form: { kind: 'choice', choices: ['yes', 'no'] }, param: 'guided_choice' };

const byteText = {
  tokenizer: byteTokenizer,
  chatTemplate: lineTemplate,
  specialTokensInContent: 'text',
} as const;

/** Text workers that count what they are given. */
function counted() {
  const tasks: TextTask[] = [];
  const run = (task: TextTask) => {
    tasks.push(task);
    return Promise.resolve(runTextTask(byteText, task));
  };
  return { tasks, sources: new ConstraintSources(new TextWork(byteText, { run })) };
}

describe('sources of constraints', () => {
  it('come from the text workers, however short the form is, and once for each form', async () => {
    const { tasks, sources } = counted();
    const source = await sources.of(asked, signal);
    expect(takes(compileConstraint(source, smallTrie()), 'yes')).toBe(true);
    expect(await sources.of({ ...asked, param: 'structured_outputs.choice' }, signal)).toBe(source);
    expect(tasks).toHaveLength(1);
  });

  it('blame the field, and are not remembered when they fail', async () => {
    const { tasks, sources } = counted();
    const wrong: AskedForm = {
      form: { kind: 'json_schema', schema: { not: {} } },
      param: 'response_format.json_schema.schema',
    };
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(await thrownBy(() => sources.of(wrong, signal))).toMatchObject({
        code: 'unsupported_schema',
        param: wrong.param,
      });
    }
    expect(tasks).toHaveLength(2);
  });

  it('are forgotten in the order in which they were asked for last', async () => {
    const { tasks, sources } = counted();
    const form = (index: number): AskedForm => ({
      form: { kind: 'regex', pattern: `a{${index}}` },
      param: 'regex',
    });
    for (let index = 1; index <= 256; index++) await sources.of(form(index), signal);
    await sources.of(form(1), signal);
    await sources.of(form(257), signal);
    expect(tasks).toHaveLength(257);
    await sources.of(form(1), signal);
    expect(tasks).toHaveLength(257);
    await sources.of(form(2), signal);
    expect(tasks).toHaveLength(258);
  });
});
