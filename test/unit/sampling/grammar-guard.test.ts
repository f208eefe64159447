import fc from 'fast-check';
import { compileConstraint } from '../../../services/lib/grammar/matcher.js';
import { sourceOfForm, type Form } from '../../../services/lib/grammar/source.js';
import { bytesOfToken } from '../../../services/lib/grammar/token-trie.js';
import { constraintOf, type SamplingParams } from '../../../services/lib/sampling/params.js';
import { createSampler, verify, type Sampler } from '../../../services/lib/sampling/sampler.js';
import { neutral } from '../../support/sampling.js';
import { thrownBy } from '../../support/thrown-by.js';
import { isAllowed, smallTrie, smallVocabulary } from '../../support/vocabulary.js';

const trie = smallTrie();
const { endId } = smallVocabulary();
const LETTER = 97;

const schema = {
  type: 'object',
  properties: { name: { type: 'string', maxLength: 4 }, age: { type: 'integer', minimum: 0, maximum: 99 } },
  required: ['name', 'age'],
  additionalProperties: false,
};
const forms: readonly Form[] = [
  { kind: 'json_schema', schema },
  { kind: 'regex', pattern: '[a-c]+(é|日本)?' },
  { kind: 'choice', choices: ['abc', 'ab', 'hello'] },
];
const matcherOf = (form: Form) => compileConstraint(sourceOfForm(form), trie).matcher();
const paramsOf = (form: Form, changes: Partial<SamplingParams> = {}): SamplingParams => ({
  ...neutral,
  constraint: constraintOf(sourceOfForm(form), [endId]),
  stopIds: [endId],
  ...changes,
});
const logitsAt = (place: number): Float32Array =>
  Float32Array.from({ length: trie.rows }, (_, id) => 4 * Math.sin(place * 17 + id * id));

/** Until it ends, at most so many tokens; the logits of a place in the sequence are always the same. */
function run(sampler: Sampler, most: number, from = 0): number[] {
  const tokens: number[] = [];
  while (!sampler.ended && tokens.length < most) tokens.push(sampler.sample(logitsAt(from + tokens.length)));
  return tokens;
}
const textOf = (tokens: readonly number[]): string =>
  Buffer.from(tokens.filter((id) => id !== endId).flatMap((id) => [...bytesOfToken(trie, id)])).toString();

describe('sampling by a grammar', () => {
  it('is sampling where all else is as good as impossible', () => {
    const settings = fc.record({
      temperature: fc.constantFrom(0, 0.7, 1.5),
      topP: fc.constantFrom(1, 0.9),
      topK: fc.constantFrom(0, 5),
      seed: fc.nat(1_000),
      repetitionPenalty: fc.constantFrom(1, 1.2),
      frequencyPenalty: fc.constantFrom(0, 0.5),
    });
    fc.assert(
      fc.property(fc.constantFrom(...forms), settings, (form, changes) => {
        const params = paramsOf(form, changes);
        const sampler = createSampler(params, [LETTER], [], matcherOf(form));
        const plain = createSampler({ ...params, constraint: null }, [LETTER]);
        const follower = matcherOf(form);
        for (let place = 0; place < 30 && !sampler.ended; place++) {
          const logits = logitsAt(place);
          const mask = follower.mask();
          logits.forEach((_, id) => {
            const may = id === endId ? follower.complete : isAllowed(mask, id);
            if (!may) logits[id] = -1e30;
          });
          const token = sampler.sample(logitsAt(place));
          expect(token).toBe(plain.sample(logits));
          if (token !== endId) expect(follower.accept(token)).toBe(true);
        }
      }),
    );
  });

  it.each(forms.map((form) => [form.kind, form] as const))('ends with a whole text: %s', (_kind, form) => {
    for (let seed = 0; seed < 20; seed++) {
      const sampler = createSampler(paramsOf(form, { seed }), [], [], matcherOf(form));
      const tokens = run(sampler, 200);
      expect(sampler.ended).toBe(true);
      const text = textOf(tokens);
      if (form.kind === 'choice') expect(form.choices).toContain(text);
      else if (form.kind === 'regex') expect(text).toMatch(new RegExp(`^${form.pattern}$`));
      else expect(Object.keys(JSON.parse(text) as object)).toEqual(['name', 'age']);
    }
  });

  it('goes on after what was sampled elsewhere', () => {
    for (const form of forms) {
      const params = paramsOf(form, { seed: 3 });
      const whole = run(createSampler(params, [], [], matcherOf(form)), 200);
      for (let cut = 0; cut < whole.length; cut++) {
        const sampler = createSampler(params, [], whole.slice(0, cut), matcherOf(form));
        expect(run(sampler, 200, cut)).toEqual(whole.slice(cut));
      }
      const over = createSampler(params, [], whole, matcherOf(form));
      expect(over.ended).toBe(true);
    }
  });

  it('ends at a stop token only where the grammar may, be it a part of it or not', () => {
    const form = { kind: 'regex', pattern: 'a+b' } as const;
    const logits = (): Float32Array =>
      Float32Array.from({ length: trie.rows }, (_, id) => (id === LETTER ? 9 : 0));
    const params = paramsOf(form, { temperature: 0, stopIds: [endId, LETTER] });
    // Another token begins it then.
    const sampler = createSampler(params, [], [], matcherOf(form));
    const first = sampler.sample(logits());
    expect(first).not.toBe(LETTER);
    expect(textOf([first])).toMatch(/^a/);
  });

  it('ends before min_tokens where nothing but an end may come, and not where something may', () => {
    const early = paramsOf({ kind: 'choice', choices: ['a'] }, { minTokens: 9 });
    const sampler = createSampler(early, [], [], matcherOf({ kind: 'choice', choices: ['a'] }));
    expect(textOf(run(sampler, 9))).toBe('a');
    expect(sampler.ended).toBe(true);
    const form = { kind: 'regex', pattern: 'a*' } as const;
    const wantsEnd = (): Float32Array =>
      Float32Array.from({ length: trie.rows }, (_, id) => (id === endId ? 9 : 0));
    const later = createSampler(paramsOf(form, { temperature: 0, minTokens: 3 }), [], [], matcherOf(form));
    const tokens = Array.from({ length: 4 }, () => later.sample(wantsEnd()));
    expect(tokens.indexOf(endId)).toBe(3);
  });

  it('says so where no token is left', async () => {
    const form = { kind: 'choice', choices: ['q'] } as const;
    const sampler = createSampler(paramsOf(form, { stopIds: [113] }), [], [], matcherOf(form));
    expect((await thrownBy(() => sampler.sample(logitsAt(1)))).code).toBe('invalid_grammar');
  });

  it('takes of a draft nothing after an end, and asks for nothing there', () => {
    const q = 113;
    for (const [pattern, drafted] of [
      ['q', [q, q]],
      ['q*', [endId, endId]],
    ] as const) {
      const form = { kind: 'regex', pattern } as const;
      const sampler = createSampler(paramsOf(form, { temperature: 0 }), [], [], matcherOf(form));
      const wanted = (row: number): Float32Array =>
        Float32Array.from({ length: trie.rows }, (_, id) => (id === drafted[row] ? 9 : 0));
      const tokens = verify(
        drafted,
        (row) => sampler.sample(wanted(row)),
        () => sampler.ended,
      );
      expect(tokens).toEqual(drafted.slice(0, 1));
    }
  });
});
