import { RegExpParser, type AST } from '@eslint-community/regexpp';
import { ANY, complementOf, rangesOf } from './characters.js';
import { alt, chars, EMPTY, repeat, seq, text, type Node, type Ranges } from './ir.js';
import { invalidGrammar, limits } from './limits.js';

/**
 * What is beyond one end of a part: the end of the text, other text that the pattern does not speak of (it is searched
 * for, unless an anchor is there), or another part, where no anchor can hold.
 */
type Beyond = 'end' | 'any' | 'part';

const ANYTHING = repeat(chars(ANY), 0, null);

/**
 * The texts that an ECMAScript regex matches: as a whole, or with `search` somewhere in them, as JSON Schema means
 * `pattern`. Throws `invalid_grammar` for what is none, and for what is no regular language: assertions elsewhere than at
 * an end, and backreferences.
 */
export function regexNode(pattern: string, { search }: { readonly search: boolean }): Node {
  const beyond = search ? 'any' : 'end';
  return new Converter(pattern).alternatives(parse(pattern).alternatives, beyond, beyond);
}

/** As it stands, or as regexes are written that know less of Unicode, such as `[\w-.]`. */
function parse(pattern: string): AST.Pattern {
  if (pattern.length > limits.text) throw invalidGrammar(`the regex has more than ${limits.text} characters`);
  requireShallow(pattern);
  const attempt = (unicode: boolean): AST.Pattern =>
    new RegExpParser().parsePattern(pattern, 0, pattern.length, { unicode });
  try {
    return attempt(true);
  } catch (error) {
    const loose = /[\u{10000}-\u{10ffff}]|\\[pPu]/u.test(pattern) ? null : quietly(() => attempt(false));
    if (loose !== null) return loose;
    // The parser's message has all of the pattern in it, and ends with what is wrong.
    const problem = (error as Error).message.split(': ').at(-1)!;
    throw invalidGrammar(`the regex ${shown(pattern)} is none: ${problem}`);
  }
}

function quietly<Value>(attempt: () => Value): Value | null {
  try {
    return attempt();
  } catch {
    return null;
  }
}

/** The parser calls itself for every group. A class that does not end goes to the end here: else each of many would be looked through. */
function requireShallow(pattern: string): void {
  let depth = 0;
  for (const [part] of pattern.matchAll(/\\.|\[(?:\\.?|[^\]\\])*(?:\]|$)|[()]/gs)) {
    if (part === '(') depth += 1;
    else if (part === ')') depth -= 1;
    if (depth > limits.depth)
      throw invalidGrammar(`the regex has groups nested more than ${limits.depth} deep`);
  }
}

const shown = (pattern: string): string =>
  JSON.stringify(pattern.length > 60 ? `${pattern.slice(0, 60)}…` : pattern);

class Converter {
  readonly #pattern: string;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  alternatives(alternatives: readonly AST.Alternative[], before: Beyond, after: Beyond): Node {
    return alt(...alternatives.map(({ elements }) => this.#sequence(elements, before, after)));
  }

  #sequence(elements: readonly AST.Element[], before: Beyond, after: Beyond): Node {
    let [first, end] = [0, elements.length];
    let [left, right] = [before, after];
    while (first < end && left !== 'part' && isEdge(elements[first]!, 'start'))
      [first, left] = [first + 1, 'end'];
    while (first < end && right !== 'part' && isEdge(elements[end - 1]!, 'end'))
      [end, right] = [end - 1, 'end'];
    if (first === end) return left === 'any' || right === 'any' ? ANYTHING : EMPTY;
    const parts = elements.slice(first, end).map((element, index) => {
      const [from, to] = [index === 0 ? left : 'part', index === end - first - 1 ? right : 'part'];
      if (isGroup(element)) return this.#group(element, from, to);
      return seq(from === 'any' ? ANYTHING : EMPTY, this.#element(element), to === 'any' ? ANYTHING : EMPTY);
    });
    return seq(...parts);
  }

  #group(group: AST.Group | AST.CapturingGroup, before: Beyond, after: Beyond): Node {
    if (group.type === 'Group' && group.modifiers !== null) throw this.#unsupported(group);
    return this.alternatives(group.alternatives, before, after);
  }

  #element(element: AST.Element): Node {
    switch (element.type) {
      case 'Character':
        return this.#character(element);
      case 'CharacterClass':
      case 'CharacterSet':
        return chars(this.#ranges(element));
      case 'Group':
      case 'CapturingGroup':
        return this.#group(element, 'part', 'part');
      case 'Quantifier': {
        const max = element.max === Infinity ? null : element.max;
        if (Math.max(element.min, max ?? 0) > limits.repeat) throw this.#unsupported(element);
        return repeat(this.#element(element.element), element.min, max);
      }
      case 'Assertion':
      case 'Backreference':
      case 'ExpressionCharacterClass':
        throw this.#unsupported(element);
    }
  }

  #character({ value, raw }: AST.Character): Node {
    if (value >= 0xd800 && value <= 0xdfff) throw invalidGrammar(`${raw} is half of a character`);
    return text(String.fromCodePoint(value));
  }

  #ranges(element: AST.CharacterClassElement | AST.CharacterClass | AST.CharacterSet): Ranges {
    switch (element.type) {
      case 'Character':
        return rangesOf([[element.value, element.value]]);
      case 'CharacterClassRange':
        return rangesOf([[element.min.value, element.max.value]]);
      case 'CharacterClass': {
        const inside = rangesOf(element.elements.flatMap((each) => this.#ranges(each)));
        return element.negate ? complementOf(inside) : inside;
      }
      case 'CharacterSet':
        return this.#set(element);
      case 'ClassStringDisjunction':
      case 'ExpressionCharacterClass':
        throw this.#unsupported(element);
    }
  }

  #set(element: AST.CharacterSet): Ranges {
    if (element.kind === 'any') return NO_LINE_ENDS;
    const inside = element.kind === 'property' ? propertyRanges(element.raw) : CLASSES[element.kind];
    // A property is asked for with its negation.
    return element.kind !== 'property' && element.negate ? complementOf(inside) : inside;
  }

  #unsupported({ raw }: AST.Node): Error {
    return invalidGrammar(`${shown(raw)} in the regex ${shown(this.#pattern)} is not supported`);
  }
}

const isGroup = (element: AST.Element): element is AST.Group | AST.CapturingGroup =>
  element.type === 'Group' || element.type === 'CapturingGroup';

const isEdge = (element: AST.Element, kind: 'start' | 'end'): boolean =>
  element.type === 'Assertion' && element.kind === kind;

const of = (...ranges: (readonly [number, number])[]): Ranges => rangesOf(ranges);

const LINE_ENDS = of([0x0a, 0x0a], [0x0d, 0x0d], [0x2028, 0x2029]);
const NO_LINE_ENDS = complementOf(LINE_ENDS);
const CLASSES: Readonly<Record<'digit' | 'space' | 'word', Ranges>> = {
  digit: of([0x30, 0x39]),
  word: of([0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]),
  space: of(
    ...LINE_ENDS,
    [0x09, 0x0d],
    [0x20, 0x20],
    [0xa0, 0xa0],
    [0x1680, 0x1680],
    [0x2000, 0x200a],
    [0x202f, 0x202f],
    [0x205f, 0x205f],
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ),
};

/** Of `\p{…}`, by how it is written; each takes up to 100 ms to find, so there are few. */
const properties = new Map<string, Ranges>();
const MAX_PROPERTIES = 64;

function propertyRanges(raw: string): Ranges {
  const known = properties.get(raw);
  if (known !== undefined) return known;
  if (properties.size >= MAX_PROPERTIES) properties.clear();
  const one = new RegExp(raw, 'u');
  const found: [number, number][] = [];
  for (let code = 0; code <= 0x10ffff; code++) {
    if (code === 0xd800) code = 0xe000;
    if (!one.test(String.fromCodePoint(code))) continue;
    const last = found.at(-1);
    if (last?.[1] === code - 1) last[1] = code;
    else found.push([code, code]);
  }
  const ranges = rangesOf(found);
  properties.set(raw, ranges);
  return ranges;
}
