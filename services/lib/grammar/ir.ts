import { invalidGrammar, limits } from './limits.js';

/** Code points, as inclusive ranges that ascend and do not touch; none is half of a surrogate pair. */
export type Ranges = readonly (readonly [first: number, last: number])[];

/**
 * What a text may be. The terminals are characters, never bytes, so what a grammar lets through is UTF-8 by itself.
 * A node is plain JSON, and the one key that it always has says of which kind it is.
 */
export type Node =
  | { readonly text: string }
  /** One character of these. */
  | { readonly chars: Ranges }
  | { readonly seq: readonly Node[] }
  /** Of none: nothing can be it. */
  | { readonly alt: readonly Node[] }
  /** A `max` of null is no bound. */
  | { readonly repeat: Node; readonly min: number; readonly max: number | null }
  | { readonly ref: string }
  /** Its characters are spelled as `JSON.stringify` spells them in a string; what its refs name is not. */
  | { readonly quoted: Node };

export interface Grammar {
  readonly root: Node;
  readonly rules: ReadonlyMap<string, Node>;
}

export const text = (value: string): Node => ({ text: value });
export const chars = (ranges: Ranges): Node => ({ chars: ranges });
export const ref = (rule: string): Node => ({ ref: rule });
export const quoted = (node: Node): Node => ({ quoted: node });
export const NEVER: Node = { alt: [] };
export const EMPTY: Node = { text: '' };

/** One after the other; literal neighbours become one. */
export function seq(...nodes: readonly Node[]): Node {
  const flat: Node[] = [];
  for (const node of nodes.flatMap((each) => ('seq' in each ? each.seq : [each]))) {
    const last = flat.at(-1);
    if ('text' in node && last !== undefined && 'text' in last)
      flat[flat.length - 1] = text(last.text + node.text);
    else flat.push(node);
  }
  return flat.length === 1 ? flat[0]! : flat.length === 0 ? EMPTY : { seq: flat };
}

export function alt(...nodes: readonly Node[]): Node {
  const flat = nodes.flatMap((each) => ('alt' in each ? each.alt : [each]));
  return flat.length === 1 ? flat[0]! : { alt: flat };
}

export function repeat(node: Node, min: number, max: number | null): Node {
  if (max === 0) return EMPTY;
  return min === 1 && max === 1 ? node : { repeat: node, min, max };
}

export const optional = (node: Node): Node => repeat(node, 0, 1);

/** Of characters alone. */
export const isLeaf = (node: Node): boolean => 'text' in node || 'chars' in node;

export const childrenOf = (node: Node): readonly Node[] => {
  if ('seq' in node) return node.seq;
  if ('alt' in node) return node.alt;
  if ('repeat' in node) return [node.repeat];
  return 'quoted' in node ? [node.quoted] : [];
};

/** The rules of a grammar that is being made. Names that it gives itself begin with a colon, as no one else's does. */
export class Rules {
  readonly #rules = new Map<string, Node>();
  #named = 0;

  has(name: string): boolean {
    return this.#rules.has(name);
  }

  /** A name that no rule has had. */
  fresh(): string {
    return `:${(this.#named += 1)}`;
  }

  /** Refs to it may be older, and younger. */
  define(name: string, node: Node): Node {
    this.#rules.set(name, node);
    return ref(name);
  }

  /** The rule of this name, which is made where it is not there yet; while it is, refs to it are fine. */
  named(name: string, make: () => Node): Node {
    if (!this.has(name)) {
      this.define(name, NEVER);
      this.define(name, make());
    }
    return ref(name);
  }

  grammar(root: Node): Grammar {
    return { root, rules: this.#rules };
  }
}

/** A grammar as it travels. Throws `invalid_grammar` for one that is too large to. */
export function writeGrammar(grammar: Grammar): string {
  const source = JSON.stringify({ root: grammar.root, rules: [...grammar.rules] });
  if (source.length <= limits.source) return source;
  throw invalidGrammar(`the constraint becomes ${source.length} characters, and may become ${limits.source}`);
}

/** The grammar of `writeGrammar`. Throws `invalid_grammar` for whatever else, without going deeper than the limit. */
export function readGrammar(source: string): Grammar {
  if (source.length > limits.source) throw invalidGrammar('the constraint is too large');
  let parsed: unknown;
  try {
    parsed = JSON.parse(source);
  } catch (cause) {
    throw invalidGrammar(`the constraint is no JSON: ${String(cause)}`);
  }
  const { root, rules } = (parsed ?? {}) as { root?: unknown; rules?: unknown };
  if (!Array.isArray(rules) || !rules.every(isEntry)) throw invalidGrammar('the constraint has no rules');
  const grammar: Grammar = { root: root as Node, rules: new Map(rules as [string, Node][]) };
  checkGrammar(grammar);
  return grammar;
}

const isEntry = (entry: unknown): boolean =>
  Array.isArray(entry) && entry.length === 2 && typeof entry[0] === 'string';

/** Throws `invalid_grammar` for a grammar beyond the limits, with a node that is none or a rule that is missing. */
export function checkGrammar({ root, rules }: Grammar): void {
  let count = 0;
  const check = (node: Node, depth: number): void => {
    if ((count += 1) > limits.nodes) throw invalidGrammar(`the grammar has more than ${limits.nodes} parts`);
    if (depth > limits.depth) throw invalidGrammar(`the grammar is nested more than ${limits.depth} deep`);
    const problem = problemOf(node, rules);
    if (problem !== null) throw invalidGrammar(problem);
    for (const child of childrenOf(node)) check(child, depth + 1);
  };
  check(root, 0);
  for (const rule of rules.values()) check(rule, 0);
}

function problemOf(node: unknown, rules: ReadonlyMap<string, Node>): string | null {
  if (typeof node !== 'object' || node === null) return 'a part of the grammar is no object';
  const of = node as Record<string, unknown>;
  if ('text' in of)
    return typeof of['text'] === 'string' && !/\p{Surrogate}/u.test(of['text'])
      ? null
      : 'a literal is no text';
  if ('chars' in of) return isRanges(of['chars']) ? null : 'a set of characters is none';
  if ('seq' in of) return Array.isArray(of['seq']) ? null : 'a sequence is none';
  if ('alt' in of) return Array.isArray(of['alt']) ? null : 'an alternative is none';
  if ('repeat' in of)
    return isBounds(of['min'], of['max']) ? null : `a repetition has more than ${limits.repeat} turns`;
  if ('ref' in of)
    return rules.has(String(of['ref'])) ? null : `the rule ${String(of['ref']).slice(0, 80)} is missing`;
  return 'quoted' in of ? null : 'a part of the grammar is of no kind';
}

const isBounds = (min: unknown, max: unknown): boolean =>
  Number.isInteger(min) &&
  Number(min) >= 0 &&
  Number(min) <= limits.repeat &&
  (max === null || (Number.isInteger(max) && Number(max) >= Number(min) && Number(max) <= limits.repeat));

/** Ranges that are some. They never change, and those of Unicode's properties are long. */
const known = new WeakSet<object>();

function isRanges(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  if (known.has(value)) return true;
  let before = -1;
  for (const range of value as unknown[]) {
    const [first, last] = Array.isArray(range) ? (range as unknown[]) : [];
    if (!Number.isInteger(first) || !Number.isInteger(last)) return false;
    if (Number(first) <= before || Number(last) < Number(first) || Number(last) > 0x10ffff) return false;
    if (Number(first) <= 0xdfff && Number(last) >= 0xd800) return false;
    before = Number(last);
  }
  known.add(value);
  return true;
}
