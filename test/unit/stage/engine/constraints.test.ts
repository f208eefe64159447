import { sourceOfForm } from '../../../../services/lib/grammar/source.js';
import { constraintOf, type Constraint } from '../../../../services/lib/sampling/params.js';
import { Constraints } from '../../../../services/stage/engine/constraints.js';
import { Head } from '../../../../services/stage/engine/head.js';
import { greedy } from '../../../support/sampling.js';
import { thrownBy } from '../../../support/thrown-by.js';
import { smallTrie } from '../../../support/vocabulary.js';

const choice = (text: string): Constraint =>
  constraintOf(sourceOfForm({ kind: 'choice', choices: [text] }), []);
const spec = (constraint: Constraint) => ({
  params: { ...greedy, constraint },
  prompt: [],
  sampled: [],
  score: null,
});

describe('the grammars of a head', () => {
  it('are compiled once for all that ask for the same, each of which goes its own way', () => {
    const constraints = new Constraints(smallTrie());
    const [a, b] = [constraints.matcher(choice('ab')), constraints.matcher(choice('ab'))];
    expect(constraints.size).toBe(1);
    expect(a.accept(97)).toBe(true);
    expect([a.accept(97), b.accept(97), a.accept(98)]).toEqual([false, true, true]);
    expect([a.ended, b.ended]).toEqual([true, false]);
  });

  it('are forgotten, those asked for longest ago first, and go on where they are used', () => {
    const constraints = new Constraints(smallTrie());
    const first = constraints.matcher(choice('0'));
    for (let count = 1; count < 200; count++) {
      constraints.matcher(choice(String(count)));
      expect(constraints.size).toBeLessThanOrEqual(64);
    }
    expect(first.accept(48)).toBe(true);
    expect(first.ended).toBe(true);
  });

  it('are refused where they are none, and where there can be none; nothing is open then', async () => {
    for (const source of ['', '{}', '[', JSON.stringify({ root: { ref: 'nowhere' } })]) {
      const head = new Head();
      head.learn(smallTrie());
      const error = await thrownBy(() => head.open('s', spec(constraintOf(source, []))));
      expect([source, error.code]).toEqual([source, 'invalid_grammar']);
      expect(head.needsOnlyBest([{ sequence: 's', position: 0, count: 1, logits: 1, draft: [] }])).toBe(
        false,
      );
    }
    expect((await thrownBy(() => new Head().open('s', spec(choice('a'))))).code).toBe(
      'unsupported_parameter',
    );
  });
});
