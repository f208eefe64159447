import fc from 'fast-check';
import {
  ANY,
  asQuoted,
  asUtf8,
  charactersOf,
  complementOf,
  intersectionOf,
  rangesOf,
} from '../../../services/lib/grammar/characters.js';
import { createTokenTrie } from '../../../services/lib/grammar/token-trie.js';
import { compiled, takes } from '../../support/grammar.js';
import { thrownBy } from '../../support/thrown-by.js';
import { smallVocabulary } from '../../support/vocabulary.js';

const regex = (pattern: string) => compiled({ kind: 'regex', pattern });

describe('characters', () => {
  const code = fc.oneof(
    fc.nat(0x10ffff),
    fc.constantFrom(0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff),
  );
  const sets = fc
    .array(
      fc.tuple(code, code).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const),
      { maxLength: 5 },
    )
    .map(rangesOf);
  const isIn = (set: ReturnType<typeof rangesOf>, at: number): boolean =>
    set.some(([first, last]) => first <= at && at <= last);
  const isHalf = (at: number): boolean => at >= 0xd800 && at <= 0xdfff;

  it('are sets', () => {
    fc.assert(
      fc.property(sets, sets, code, (a, b, at) => {
        expect(isIn(complementOf(a), at)).toBe(!isIn(a, at) && !isHalf(at));
        expect(isIn(intersectionOf(a, b), at)).toBe(isIn(a, at) && isIn(b, at));
      }),
    );
  });

  it('are spelled as TextEncoder and JSON.stringify spell them, and nothing else is', () => {
    fc.assert(
      fc.property(sets, fc.array(code, { minLength: 20, maxLength: 20 }), (set, codes) => {
        for (const at of codes.filter((each) => !isHalf(each))) {
          const character = String.fromCodePoint(at);
          const spellings = [
            [asUtf8(set), character],
            [asQuoted(set), JSON.stringify(character).slice(1, -1)],
          ] as const;
          for (const [sequences, spelled] of spellings) {
            const bytes = new TextEncoder().encode(spelled);
            const matching = sequences.filter(
              (each) =>
                each.length === bytes.length &&
                each.every(([first, last], i) => first <= bytes[i]! && bytes[i]! <= last),
            );
            expect(matching).toHaveLength(isIn(set, at) ? 1 : 0);
          }
        }
      }),
    );
    expect(asUtf8(charactersOf('é'))).toEqual([
      [
        [0xc3, 0xc3],
        [0xa9, 0xa9],
      ],
    ]);
    expect(asUtf8(ANY)).toHaveLength(9);
  });
});

describe('regexes', () => {
  const patterns = [
    'abc',
    'a|bc|',
    '(a|b)*c',
    'a{2,4}',
    'a{3}',
    'a{2,}',
    '(ab?){2,3}',
    '(a?b?){1,3}',
    '(((a?b?){0,2}c?){0,2}x?){1,2}',
    '[a-c]x',
    '[^a-c]',
    '.',
    '\\d+\\.\\d',
    '\\w\\s\\W',
    '\\S\\D',
    '[\\d_-]+',
    '\\u00e9|\\x41',
    '[é日]{1,2}',
    '\\p{Lu}\\p{L}*',
    '\\P{L}',
    'a*?b',
    '(?:x|y)+',
    '(?<name>a)b',
    '^a$',
    '(^a|b)c$',
    '\\n|\\t',
    '[]|a',
    '[^]',
    '(a*)*b',
    '((a|b){2}){2}',
    '\\/\\-'.replace('\\-', '-'),
  ];
  const texts = fc.oneof(
    fc.string({ unit: fc.constantFrom(...Array.from('abcxyéA1_.- \n\t日🙂/')), maxLength: 6 }),
    fc.constantFrom('abc', 'aaaa', 'abab', 'ababa', '12.3', 'ÄÖ', 'x z', 'bc', 'ac', 'A', '/-'),
  );

  it.each(patterns)('%s is what it is to the engine of the language', (pattern) => {
    const constraint = regex(pattern);
    const whole = new RegExp(`^(?:${pattern})$`, 'u');
    fc.assert(
      fc.property(texts, (text) => expect([text, takes(constraint, text)]).toEqual([text, whole.test(text)])),
      { numRuns: 150, seed: 3 },
    );
  });

  it.each(['^a', 'a$', 'b', 'a|^b', '^(a|b)$', '(^a|b)c', 'a.c', '^$', '^\\d{2}', '[é日]$'])(
    '%s as a pattern is searched for',
    (pattern) => {
      const constraint = compiled({ kind: 'json_schema', schema: { type: 'string', pattern } });
      const search = new RegExp(pattern, 'u');
      fc.assert(
        fc.property(texts, (text) =>
          expect([text, takes(constraint, JSON.stringify(text))]).toEqual([text, search.test(text)]),
        ),
        { numRuns: 150, seed: 3 },
      );
    },
  );

  it.each(['a(?=b)', '(?<!a)b', '\\bx', 'a^b', '(a)\\1', '(?i:a)', 'a(b', '[z-a]', 'a{3,1}'])(
    'refuses %s',
    async (pattern) => {
      expect(await thrownBy(() => regex(pattern))).toMatchObject({ code: 'invalid_grammar' });
    },
  );

  it('reads what is written without Unicode in mind', () => {
    expect(takes(regex('[\\w-.]+\\-'), 'a-.b-')).toBe(true);
  });
});

describe('grammars', () => {
  it.each([
    ['root ::= "a"+ | [b-d]{2} # x\n', ['a', 'aaa', 'bd'], ['', 'b', 'ab']],
    ['root ::= list\nlist ::= "(" list* ")"', ['()', '(()())'], ['(', '())']],
    ['root ::= [^"\\n]* "\\"" .', ['x"y', '"日'], ['x', '"', '\n"a']],
    ['root ::= ("a" | "b" "c"?){,2}\n', ['', 'a', 'bcb', 'aa'], ['aaa', 'c']],
    ['root ::= "\\x41\\u00e9\\U0001F600" [\\]\\-a]', ['Aé😀]', 'Aé😀-'], ['Aé😀b']],
    ['sub-rule ::= "x"\nroot   ::= sub-rule\n  | sub-rule "y"', ['x', 'xy'], ['y']],
    ['root ::= e\ne ::= t ("+" t)*\nt ::= [0-9] | "(" e ")"', ['1', '(1+2)+3'], ['1+', '(1']],
  ])('%j', (grammar, right, wrong) => {
    const constraint = compiled({ kind: 'grammar', grammar });
    expect(right.map((text) => [text, takes(constraint, text)])).toEqual(right.map((text) => [text, true]));
    expect(wrong.map((text) => [text, takes(constraint, text)])).toEqual(wrong.map((text) => [text, false]));
  });

  it('says in which line it went wrong', () => {
    expect(() => compiled({ kind: 'grammar', grammar: 'root ::= "a"\nother = "b"' })).toThrow(/line 2/);
  });
});

describe('a trie', () => {
  it('has every token where its bytes lead', () => {
    const vocabulary = smallVocabulary();
    const trie = createTokenTrie(vocabulary, vocabulary.vocabularySize);
    const found = new Map<number, string>();
    const path: number[] = [];
    for (let node = 0; node < trie.byte.length; node++) {
      path.length = Math.max(trie.depth[node]! - 1, 0);
      if (node > 0) path.push(trie.byte[node]!);
      for (let index = trie.from[node]!; index < trie.from[node + 1]!; index++)
        found.set(trie.tokens[index]!, path.join());
      const below = [...trie.depth.slice(node + 1, trie.end[node])];
      expect(below.every((depth) => depth > trie.depth[node]!)).toBe(true);
      expect(trie.depth[trie.end[node]!] ?? 0).toBeLessThanOrEqual(trie.depth[node]!);
    }
    const ids = Array.from({ length: vocabulary.vocabularySize }, (_, id) => id).filter(
      (id) => id !== vocabulary.endId && vocabulary.bytesOf(id).length > 0,
    );
    expect([...found].sort(([a], [b]) => a - b)).toEqual(
      ids.map((id) => [id, vocabulary.bytesOf(id).join()]),
    );
  });
});
