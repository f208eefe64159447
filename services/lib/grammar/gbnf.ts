import { ANY, complementOf, rangesOf } from './characters.js';
import { alt, chars, ref, repeat, seq, text, type Grammar, type Node } from './ir.js';
import { invalidGrammar, limits } from './limits.js';

/** In this order: a name that `::=` follows begins a rule. */
const TOKENS =
  /(?<space>(?:\s|#[^\n]*)+)|(?<rule>[A-Za-z_][\w.-]*)\s*::=|(?<name>[A-Za-z_][\w.-]*)|"(?<literal>(?:\\.|[^"\\\n])*)"|\[(?<not>\^?)(?<set>(?:\\.|[^\]\\\n])*)\]|\{\s*(?<min>\d{1,9})?\s*(?<comma>,)?\s*(?<max>\d{1,9})?\s*\}|(?<mark>[|()*+?.])/suy;

type Token = Readonly<Record<string, string | undefined>>;

/**
 * A grammar as llama.cpp (GBNF) and SGLang and vLLM (xgrammar's EBNF) take it: `root ::= "yes" | [0-9]{1,3} other*`.
 * Throws `invalid_grammar` with the line for what is none, and for lookaheads and tokens by their id.
 */
export function parseGbnf(source: string): Grammar {
  if (source.length > limits.text)
    throw invalidGrammar(`the grammar has more than ${limits.text} characters`);
  const parser = new Parser(source);
  const rules = parser.rules();
  const root = rules.get('root');
  if (root === undefined) throw invalidGrammar('the grammar has no rule root');
  return { root: ref('root'), rules };
}

class Parser {
  readonly #source: string;
  #next: Token | null = null;
  /** Where the next token begins, and ends. */
  #at = 0;
  #end = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
    this.#advance();
  }

  rules(): ReadonlyMap<string, Node> {
    const rules = new Map<string, Node>();
    while (this.#next !== null) {
      const name = this.#next['rule'];
      if (name === undefined) throw this.#problem('expected a rule, such as root ::= "a"');
      if (rules.has(name)) throw this.#problem(`the rule ${name} is there twice`);
      this.#advance();
      rules.set(name, this.#alternatives());
    }
    return rules;
  }

  #alternatives(): Node {
    const all = [this.#sequence()];
    while (this.#next?.['mark'] === '|') {
      this.#advance();
      all.push(this.#sequence());
    }
    return alt(...all);
  }

  #sequence(): Node {
    const parts: Node[] = [];
    for (let part = this.#part(); part !== null; part = this.#part()) parts.push(this.#repeated(part));
    return seq(...parts);
  }

  #part(): Node | null {
    const token = this.#next;
    if (token === null) return null;
    if (token['mark'] === '(') return this.#group();
    const part = this.#terminal(token);
    if (part !== null) this.#advance();
    return part;
  }

  #terminal({ name, literal, set, not, mark }: Token): Node | null {
    if (name !== undefined) return ref(name);
    if (literal !== undefined)
      return text(
        this.#characters(literal)
          .map(({ value }) => value)
          .join(''),
      );
    if (set !== undefined) return chars(this.#set(set, not === '^'));
    return mark === '.' ? chars(ANY) : null;
  }

  #group(): Node {
    if ((this.#depth += 1) > limits.depth) throw this.#problem(`nested more than ${limits.depth} deep`);
    this.#advance();
    const inside = this.#alternatives();
    if (this.#next?.['mark'] !== ')') throw this.#problem('expected )');
    this.#advance();
    this.#depth -= 1;
    return inside;
  }

  #repeated(part: Node): Node {
    let node = part;
    for (let bounds = this.#bounds(); bounds !== null; bounds = this.#bounds()) {
      const [min, max] = bounds;
      if (min > limits.repeat || (max !== null && (max > limits.repeat || max < min))) {
        throw this.#problem(`expected repetitions of up to ${limits.repeat}, the lower number first`);
      }
      node = repeat(node, min, max);
      this.#advance();
    }
    return node;
  }

  #bounds(): readonly [number, number | null] | null {
    const { mark, min, comma, max } = this.#next ?? {};
    if (mark === '*') return [0, null];
    if (mark === '+') return [1, null];
    if (mark === '?') return [0, 1];
    if (min !== undefined)
      return [Number(min), comma === undefined ? Number(min) : max === undefined ? null : Number(max)];
    return max === undefined ? null : [0, Number(max)];
  }

  #set(inside: string, not: boolean) {
    const characters = this.#characters(inside);
    const ranges: [number, number][] = [];
    for (let at = 0; at < characters.length; at++) {
      const first = characters[at]!.value.codePointAt(0)!;
      const isRange = characters[at + 1]?.raw === '-' && at + 2 < characters.length;
      if (isRange) at += 2;
      const last = characters[at]!.value.codePointAt(0)!;
      if (last < first) throw this.#problem(`the range in [${inside.slice(0, 40)}] is upside down`);
      ranges.push([first, last]);
    }
    return not ? complementOf(rangesOf(ranges)) : rangesOf(ranges);
  }

  #characters(raw: string): { readonly raw: string; readonly value: string }[] {
    const pattern = /\\x[\da-fA-F]{2}|\\u\{[\da-fA-F]{1,6}\}|\\u[\da-fA-F]{4}|\\U[\da-fA-F]{8}|\\.|./gsu;
    return [...raw.matchAll(pattern)].map(([part]) => ({ raw: part, value: this.#unescape(part) }));
  }

  #unescape(part: string): string {
    if (!part.startsWith('\\')) return part;
    const digits = /^\\[xuU]\{?([0-9a-fA-F]+)\}?$/.exec(part)?.[1];
    if (digits === undefined) return ESCAPES[part[1]!] ?? part.slice(1);
    const code = Number.parseInt(digits, 16);
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw this.#problem(`${part} is no character`);
    return String.fromCodePoint(code);
  }

  #advance(): void {
    do {
      this.#at = this.#end;
      if (this.#at === this.#source.length) {
        this.#next = null;
        return;
      }
      TOKENS.lastIndex = this.#at;
      const match = TOKENS.exec(this.#source);
      if (match === null)
        throw this.#problem(`cannot read ${JSON.stringify(this.#source.slice(this.#at, this.#at + 20))}`);
      this.#end = TOKENS.lastIndex;
      this.#next = match.groups as Token;
    } while (this.#next['space'] !== undefined);
  }

  #problem(message: string): Error {
    const line = this.#source.slice(0, this.#at).split('\n').length;
    return invalidGrammar(`line ${line} of the grammar: ${message}`);
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  f: '\f',
  b: '\b',
  v: '\v',
  '0': '\0',
};
