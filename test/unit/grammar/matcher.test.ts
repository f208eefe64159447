import { compiled, takes, takesSchema } from '../../support/grammar.js';
import { isAllowed, smallTrie, smallVocabulary } from '../../support/vocabulary.js';
import { createTokenTrie } from '../../../services/lib/grammar/token-trie.js';
import {
  compileConstraint,
  type CompiledConstraint,
  type Matcher,
} from '../../../services/lib/grammar/matcher.js';
import { thrownBy } from '../../support/thrown-by.js';

const regex = (pattern: string) => compiled({ kind: 'regex', pattern });

function after(constraint: CompiledConstraint, bytes: readonly number[]): Matcher {
  const matcher = constraint.matcher();
  for (const byte of bytes) if (!matcher.accept(byte)) throw new Error(`the byte ${byte} is not accepted`);
  return matcher;
}

describe('a matcher', () => {
  it('follows a regex token by token, and says when it may end and when it has to', () => {
    const matcher = regex('a+b?').matcher();
    expect(matcher).toMatchObject({ complete: false, ended: false });
    expect(matcher.accept('b'.charCodeAt(0))).toBe(false);
    expect(matcher.accept('a'.charCodeAt(0))).toBe(true);
    expect(matcher).toMatchObject({ complete: true, ended: false });
    expect(matcher.accept('b'.charCodeAt(0))).toBe(true);
    expect(matcher).toMatchObject({ complete: true, ended: true });
    expect(matcher.mask().every((word) => word === 0)).toBe(true);
    expect(matcher.accept('b'.charCodeAt(0))).toBe(false);
  });

  it('allows exactly the tokens that it accepts, wherever it is', () => {
    const trie = smallTrie();
    const schema = {
      type: 'object',
      properties: {
        name: { type: 'string', maxLength: 5 },
        items: {
          type: 'array',
          items: { anyOf: [{ type: 'integer', minimum: -3, maximum: 120 }, { type: 'null' }] },
        },
      },
      additionalProperties: { type: 'string', pattern: 'é+$' },
      required: ['items'],
    };
    const constraint = compiled({ kind: 'json_schema', schema });
    for (const text of [
      '{"name":"日本"',
      '{"items": [12, null',
      '{"items":[],"n',
      '{"items":[],"x":"abcé',
      '{',
      '{"name":"abcde',
    ]) {
      const bytes = [...new TextEncoder().encode(text)];
      for (let length = 0; length <= bytes.length; length++) {
        const mask = after(constraint, bytes.slice(0, length)).mask();
        const accepted = Array.from({ length: trie.rows }, (_, id) =>
          after(constraint, bytes.slice(0, length)).accept(id),
        );
        expect(accepted.map((_, id) => isAllowed(mask, id))).toEqual(accepted);
      }
    }
  });

  it('leaves out special tokens, but for those that are shown, and ids beyond the rows', () => {
    const vocabulary = smallVocabulary();
    const source = JSON.stringify({ root: { text: '<|end|>' }, rules: [] });
    const allowedIn = (trie: ReturnType<typeof smallTrie>) =>
      isAllowed(compileConstraint(source, trie).matcher().mask(), vocabulary.endId);
    expect(allowedIn(createTokenTrie(vocabulary, vocabulary.vocabularySize))).toBe(false);
    const shown = createTokenTrie(vocabulary, vocabulary.vocabularySize, new Set([vocabulary.endId]));
    expect(allowedIn(shown)).toBe(true);
    const few = createTokenTrie(vocabulary, 100);
    expect(compileConstraint(source, few).matcher().mask()).toHaveLength(4);
    expect(compileConstraint(source, few).matcher().accept(200)).toBe(false);
  });

  it('says the same again where it has forgotten what it found, and does not grow without end', () => {
    const names = Array.from({ length: 300 }, (_, index) => `t${index}`);
    const rules = names.map((name) => `${name} ::= [^<]*`);
    const grammar = [`root ::= ${names.join(' "<" ')}`, ...rules].join('\n');
    const constraint = compiled({ kind: 'grammar', grammar });
    const masksOf = (): number[][] => {
      const matcher = constraint.matcher();
      return names.map(() => {
        const mask = [...matcher.mask()];
        matcher.accept('<'.charCodeAt(0));
        return mask;
      });
    };
    expect(masksOf()).toEqual(masksOf());
    expect(constraint.bytes).toBeLessThan(4 << 20);
  });

  it('says so where the vocabulary has no token that goes on', async () => {
    const letters = createTokenTrie(
      { vocabularySize: 1, bytesOf: () => Uint8Array.of(97), isSpecial: () => false },
      1,
    );
    const matcher = compiled({ kind: 'regex', pattern: 'ab' }, letters).matcher();
    expect(matcher.accept(0)).toBe(true);
    expect(await thrownBy(() => matcher.mask())).toMatchObject({ code: 'invalid_grammar' });
  });
});

describe('a first look at schemas', () => {
  it.each([
    [{ type: 'integer' }, ['0', '-7', '123456789012345'], ['1234567890123456', '1.0', '007']],
    [{ type: 'integer', minimum: 1e17 }, ['100000000000000000', '123456789012345678'], ['7', '1e17']],
    [{ type: 'integer', minimum: 3, maximum: 120 }, ['3', '99', '120'], ['2', '121', '-5', '03', '3.0']],
    [
      { type: 'number', exclusiveMinimum: 0, maximum: 1.5 },
      ['0.1', '1', '1.5', '1.50'],
      ['0', '1.51', '2', '-1', '0.0'],
    ],
    [{ type: 'string', maxLength: 2 }, ['""', '"ab"', '"日本"', '"\\n\\""'], ['"abc"', '"\n"', 'ab']],
    [{ type: 'string', pattern: '^a.c$', minLength: 3 }, ['"abc"', '"a\\"c"'], ['"ac"', '"abcd"']],
    [{ enum: ['a', 1, null, { x: [1] }] }, ['"a"', '1', 'null', '{"x":[1]}', '{"x": [1]}'], ['2', '"b"']],
    [
      { type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 2 },
      ['[true]', '[true, false]'],
      ['[]', '[true,true,true]'],
    ],
    [
      { type: 'object', properties: { a: { type: 'integer' }, b: true }, required: ['b'] },
      ['{"b":1}', '{"a":1,"b":[]}'],
      ['{"a":1}', '{}', '{"b":1,"c":2}'],
    ],
    [
      { $ref: '#/$defs/n', $defs: { n: { type: 'object', properties: { n: { $ref: '#/$defs/n' } } } } },
      ['{}', '{"n":{"n":{}}}'],
      ['{"n":1}', '[]'],
    ],
    [
      { properties: { a: true }, unevaluatedProperties: false, enum: [{ a: 1 }, { a: 1, b: 2 }, {}] },
      ['{"a":1}', '{}'],
      ['{"a":1,"b":2}', '{"a": 1, "b": 2}'],
    ],
    [{ type: 'integer', multipleOf: 7, maximum: 30 }, ['0', '7', '28', '-14'], ['35', '8']],
    [true, ['1', '"x"', '{"a":[null,true]}', '[]', '1.5e10'], ['', 'x', '[1,]']],
  ])('%j', (schema, right, wrong) => {
    for (const text of right) expect([text, takesSchema(schema, text)]).toEqual([text, true]);
    for (const text of wrong) expect([text, takesSchema(schema, text)]).toEqual([text, false]);
  });

  it('takes any object, a choice and a grammar', () => {
    expect(takes(compiled({ kind: 'json_object' }), '{"a": {"b": []}}')).toBe(true);
    expect(takes(compiled({ kind: 'json_object' }), '[]')).toBe(false);
    expect(takes(compiled({ kind: 'choice', choices: ['yes', 'yesterday', 'no'] }), 'yesterday')).toBe(true);
    const grammar = 'root ::= item ("," item)* # a list\nitem ::= [0-9]{1,3} | "x"\n  | "\\u00e9"';
    expect(takes(compiled({ kind: 'grammar', grammar }), '12,x,é,999')).toBe(true);
    expect(takes(compiled({ kind: 'grammar', grammar }), '1234')).toBe(false);
  });
});
