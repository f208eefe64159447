import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { untilTrigger } from '../../../services/lib/grammar/free-text.js';
import {
  EMPTY,
  NEVER,
  readGrammar,
  ref,
  repeat,
  Rules,
  seq,
  text,
  writeGrammar,
  type Node,
} from '../../../services/lib/grammar/ir.js';
import { compileConstraint } from '../../../services/lib/grammar/matcher.js';
import { sourceOf, sourceOfForm, type Form } from '../../../services/lib/grammar/source.js';
import { takes, walk } from '../../support/grammar.js';
import { smallTrie } from '../../support/vocabulary.js';

const trie = smallTrie();
/** Far above what any of them takes, and far below what they would take without bounds. */
const MOST_MS = 15_000;

const nested = (depth: number, wrap: (inner: unknown) => unknown): unknown =>
  Array.from({ length: depth }).reduce<unknown>((inner) => wrap(inner), { type: 'null' });
const many = <Item>(count: number, item: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => item(index));
const definitions = (count: number, schema: (index: number) => unknown) =>
  Object.fromEntries(many(count, (index) => [`d${index}`, schema(index)]));

const schemas: Readonly<Record<string, unknown>> = {
  'nested deep': nested(120, (items) => ({ items })),
  'nested deeper than a stack': nested(20_000, (items) => ({ items })),
  'a chain of refs': {
    $ref: '#/$defs/d0',
    $defs: definitions(2_000, (index) => ({ $ref: `#/$defs/d${index + 1}` })),
  },
  'a chain of records': {
    $ref: '#/$defs/d0',
    $defs: definitions(900, (index) => ({
      properties: { a: { $ref: `#/$defs/d${Math.min(index + 1, 899)}` } },
    })),
  },
  'unions that multiply': { allOf: many(20, (n) => ({ anyOf: [{ minimum: n }, { minLength: n }] })) },
  'unions in unions': nested(40, (inner) => ({ anyOf: [inner, { $ref: '#/$defs/d' }] })),
  wide: { properties: Object.fromEntries(many(3_000, (n) => [`p${n}`, { type: 'integer' }])) },
  'wide and open': {
    properties: Object.fromEntries(many(2_000, (n) => [`property${n}`, true])),
    additionalProperties: true,
  },
  'a huge enumeration': { enum: many(8_000, (n) => `v${n}`) },
  'enumerations that are compared': { oneOf: many(60, (n) => ({ enum: many(60, (m) => `${n} ${m}`) })) },
  'records that are compared': {
    oneOf: many(40, (n) => ({
      type: 'object',
      required: many(30, (m) => `r${m}`),
      properties: Object.fromEntries(
        many(30, (m) => [`r${m}`, { type: 'object', required: ['x'], properties: { x: { minimum: n } } }]),
      ),
    })),
  },
  'itself at once': { $ref: '#' },
  'no base': { type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] },
  'no base, in a list': { type: 'array', items: { $ref: '#' }, minItems: 1 },
  nothing: { allOf: [{ type: 'string' }, { type: 'null' }] },
  'huge bounds': { type: 'array', minItems: 1e9, items: {} },
  'huge numbers': { type: 'number', exclusiveMinimum: 1.7976931348623157e308 },
  'tiny numbers': { type: 'number', exclusiveMinimum: 5e-324 },
  'a pattern that backtracks': {
    type: 'string',
    pattern: '^(a+)+$',
    maxLength: 30,
    enum: [`${'a'.repeat(40)}!`, 'aa'],
  },
  'a pattern of exponential states': {
    type: 'string',
    pattern: '^[ab]*a[ab]{30}$',
    minLength: 3,
    maxLength: 5_000,
  },
  'many properties of characters': {
    type: 'string',
    pattern: many(200, (n) => `\\p{Script=${['Greek', 'Han'][n % 2]!}}`).join(''),
  },
  'two wide patterns': { allOf: [{ pattern: '^(.*a.{12})*$' }, { pattern: '^(.*b.{12})*$' }] },
  'a number of many bounds': {
    type: 'integer',
    multipleOf: 997,
    minimum: -123_456_789,
    maximum: 987_654_321_098,
  },
  'names like rules': {
    properties: { ':1': true, __proto__: { type: 'null' }, constructor: { const: 1 } },
    required: ['constructor'],
  },
};

const forms: Readonly<Record<string, Form>> = {
  'nested groups': regex(`${'('.repeat(5_000)}a${')'.repeat(5_000)}`),
  'classes that do not end': regex('['.repeat(60_000)),
  'classes that do not end, with half an escape': regex(`${'['.repeat(60_000)}\\`),
  'nested repetitions': regex('((((a{1,60000}){1,60000}){1,60000}){1,60000}){1,60000}'),
  'repetitions of what may be empty': regex('(((a?){1,50000}b?){1,50000}c?){1,50000}'),
  'repetitions of what may be empty, deep within one another': regex(
    many(30, () => 0).reduce<string>((inner) => `(${inner}b?){0,2}`, 'a?'),
  ),
  'a long sequence of what may be empty': regex(`(${'a?'.repeat(15_000)}){0,2}`),
  'a chain of rules that may be empty': grammar(
    ['root ::= r0{0,2}', ...many(3_000, (n) => `r${n} ::= r${n + 1}?`), 'r3000 ::= "a"'].join('\n'),
  ),
  ambiguous: regex('(a|aa|a*|(aa)*){1,60000}b'),
  'a repetition beyond the bound': regex('a{70000}'),
  'no regex': regex('a(b'),
  'a backreference': regex('(a)\\1'),
  'left recursion': grammar('root ::= root "a" | "a"'),
  'left recursion behind what may be empty': grammar('root ::= "x"* other\nother ::= root "a" | "b"'),
  'no end': grammar('root ::= "a" root'),
  'no root': grammar('rot ::= "a"'),
  'a rule that is missing': grammar('root ::= other'),
  'nested brackets': grammar(`root ::= ${'('.repeat(3_000)}"a"${')'.repeat(3_000)}`),
  'an ambiguous grammar': grammar('root ::= "a" root root | "a" root | "a"'),
  'exponential rules': grammar(
    ['root ::= r0 r0', ...many(60, (n) => `r${n} ::= r${n + 1} r${n + 1}`), 'r60 ::= "a"'].join('\n'),
  ),
  'a long literal': grammar(`root ::= "${'a'.repeat(60_000)}"`),
  'no grammar': grammar('root = "a"'),
  'half of a character': grammar('root ::= "\\ud83d"'),
  'choices within one another': { kind: 'choice', choices: many(330, (n) => 'a'.repeat(n + 1)) },
  'many choices': { kind: 'choice', choices: many(9_000, (n) => `c${n}`) },
};

function regex(pattern: string): Form {
  return { kind: 'regex', pattern };
}

function grammar(source: string): Form {
  return { kind: 'grammar', grammar: source };
}

describe('hostile input', () => {
  const all = [
    ...Object.entries(schemas).map(([name, schema]): [string, Form] => [
      name,
      { kind: 'json_schema', schema },
    ]),
    ...Object.entries(forms),
  ];

  it.each(all)('%s: ends soon, in masks or in an error of the client', (_, form) => {
    const since = performance.now();
    try {
      const matcher = compileConstraint(sourceOfForm(form), trie).matcher();
      walk(matcher, () => 0.37, { patience: 30, most: 200 });
    } catch (error) {
      if (!(error instanceof ServingError)) throw error;
      expect(['invalid_grammar', 'unsupported_schema']).toContain(error.code);
      expect(error.message.length).toBeLessThan(500);
    }
    expect(performance.now() - since).toBeLessThan(MOST_MS);
  });

  it('is refused as a source, whatever it is', () => {
    const deep = JSON.stringify({ root: nested(200, (inner) => ({ seq: [inner] })), rules: [] });
    const wide = JSON.stringify({ root: { alt: many(60_000, () => ({})) }, rules: [] });
    const bad = [
      '',
      'null',
      '{}',
      '{"root":{"ref":"x"},"rules":[]}',
      '{"root":{"chars":[[5,1]]},"rules":[]}',
      deep,
      wide,
    ];
    bad.push(
      '{"root":{"repeat":{"text":"a"},"min":2,"max":1},"rules":[]}',
      '{"root":{"chars":[[55296,55296]]},"rules":[]}',
      'x'.repeat(600_000),
    );
    for (const source of bad) {
      const problem = ((): unknown => {
        try {
          return compileConstraint(source, trie);
        } catch (error) {
          return error;
        }
      })();
      expect(problem).toMatchObject({ code: 'invalid_grammar' });
    }
  });
});

describe('a grammar as it travels', () => {
  it('is the same afterwards', () => {
    const rules = new Rules();
    const list: Node = rules.define('list', seq(text('é'), repeat(ref('list'), 0, 3)));
    const { root, rules: all } = readGrammar(writeGrammar(rules.grammar(list)));
    expect({ root, rules: [...all] }).toEqual({
      root: list,
      rules: [['list', seq(text('é'), repeat(ref('list'), 0, 3))]],
    });
  });
});

describe('free text up to a trigger', () => {
  const rules = new Rules();
  const again = ref('again');
  rules.define(
    'again',
    untilTrigger(
      rules,
      [
        { begin: '<call>', then: seq(text('{}</call>'), again) },
        { begin: '[C', then: text('!') },
      ],
      { mayEnd: true },
    ),
  );
  const constraint = compileConstraint(sourceOf(rules.grammar(again)), trie);

  it.each([
    '',
    'hello',
    'a < b',
    '<cal',
    '<<call>{}</call>',
    'x<call>{}</call> and <call>{}</call>',
    '<c<call>{}</call>',
    'é[C!',
  ])('takes %j', (each) => {
    expect(takes(constraint, each)).toBe(true);
  });

  it.each(['<call>', '<call>x', 'x<call>{}</call', '[C', '[C!x', 'a[Cb'])('does not take %j', (each) => {
    expect(takes(constraint, each)).toBe(false);
  });

  it('without an end needs a trigger', () => {
    const own = new Rules();
    const root = untilTrigger(own, [{ begin: 'aab', then: EMPTY }], { mayEnd: false });
    const needs = compileConstraint(sourceOf(own.grammar(root)), trie);
    expect(['aab', 'aaab', 'xaaxaab'].map((each) => takes(needs, each))).toEqual([true, true, true]);
    expect(['', 'aa', 'aabb', 'x'].map((each) => takes(needs, each))).toEqual([false, false, false, false]);
    expect(() => sourceOf({ root: NEVER, rules: new Map() })).toThrow('nothing can meet it');
  });
});
