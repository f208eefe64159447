import { Automaton, type Configuration } from './automaton.js';
import { ANY, asCodePoints, rangesOf } from './characters.js';
import {
  alt,
  chars,
  EMPTY,
  NEVER,
  quoted,
  ref,
  repeat,
  seq,
  type Grammar,
  type Node,
  type Rules,
} from './ir.js';
import { invalidGrammar, limits } from './limits.js';
import { normalize } from './normalize.js';

/** How many characters a node without refs has; null is any number. */
interface Lengths {
  readonly min: number;
  readonly max: number | null;
}

/** The texts that are in each of the regular languages. Throws `invalid_grammar` where these are too much together. */
export const intersection = (rules: Rules, languages: readonly Grammar[]): Node =>
  languages.length === 1 && languages[0]!.rules.size === 0
    ? languages[0]!.root
    : product(rules, languages, (node) => node);

/** The texts with so many characters that are in each of the languages, which have no refs; as a quoted node. */
export function quotedOfLength(rules: Rules, nodes: readonly Node[], lengths: Lengths): Node {
  const any = repeat(chars(ANY), lengths.min, lengths.max);
  if (nodes.length === 0) return quoted(any);
  const bounded = nodes.length === 1 ? withLengths(nodes[0]!, lengths) : null;
  if (bounded !== null) return quoted(bounded);
  const all = lengths.min === 0 && lengths.max === null ? nodes : [...nodes, any];
  return product(rules, all.map(languageOf), quoted);
}

export const languageOf = (root: Node): Grammar => ({ root, rules: new Map() });

/** Tells whether a text is in a language, in time that grows with its length alone. */
export function membership(root: Node): (text: string) => boolean {
  const automaton = new Automaton(normalize(languageOf(root)), CODE_POINTS);
  const classOf = (code: number): number => automaton.classes.findLastIndex((first) => first <= code);
  return (text) => {
    automaton.begin();
    let now: Configuration | null = automaton.start;
    for (const character of text)
      now = now === null ? null : automaton.next(now, classOf(character.codePointAt(0)!));
    return now?.complete === true;
  };
}

const CODE_POINTS = { plain: asCodePoints, quoted: asCodePoints };

/** By the bounds of the one part that is repeated, or as it stands; null where that is not enough. */
function withLengths(node: Node, { min, max }: Lengths): Node | null {
  const own = lengthsOf(node);
  if (own.min >= min && (max === null || (own.max !== null && own.max <= max))) return node;
  const parts = 'seq' in node ? node.seq : [node];
  const loose = parts.filter((part) => !isFixed(lengthsOf(part)));
  const [part] = loose;
  if (loose.length !== 1 || !('repeat' in part!)) return null;
  const turn = lengthsOf(part.repeat);
  if (turn.min !== 1 || turn.max !== 1) return null;
  const fixed = own.min - part.min;
  const low = Math.max(part.min, min - fixed);
  const high = max === null ? part.max : Math.min(part.max ?? Infinity, max - fixed);
  if (high !== null && high < low) return NEVER;
  return seq(...parts.map((each) => (each === part ? repeat(part.repeat, low, high) : each)));
}

const isFixed = ({ min, max }: Lengths): boolean => min === max;

/** In characters. */
export const lengthOf = (value: string): number => Array.from(value).length;

function lengthsOf(node: Node): Lengths {
  if ('text' in node) return { min: lengthOf(node.text), max: lengthOf(node.text) };
  if ('chars' in node) return { min: 1, max: 1 };
  if ('seq' in node) {
    const all = node.seq.map(lengthsOf);
    return { min: sum(all.map(({ min }) => min))!, max: sum(all.map(({ max }) => max)) };
  }
  if ('repeat' in node) {
    const turn = lengthsOf(node.repeat);
    return {
      min: turn.min * node.min,
      max: turn.max === null || node.max === null ? null : turn.max * node.max,
    };
  }
  if (!('alt' in node)) return { min: 0, max: null };
  const all = node.alt.map(lengthsOf);
  const longest = all.some(({ max }) => max === null) ? null : Math.max(...all.map(({ max }) => max!));
  return { min: Math.min(...all.map(({ min }) => min)), max: longest };
}

const sum = (numbers: readonly (number | null)[]): number | null =>
  numbers.reduce((total, each) => (total === null || each === null ? null : total + each), 0);

/** Reads all languages at once, and makes a rule of each combination of configurations. */
function product(rules: Rules, languages: readonly Grammar[], wrap: (node: Node) => Node): Node {
  const automata = languages.map((language) => new Automaton(normalize(language), CODE_POINTS));
  const intervals = commonIntervals(automata);
  const base = rules.fresh();
  const ids = new Map<Configuration, number>();
  const states = new Map<string, readonly Configuration[]>();
  const nameOf = (state: readonly Configuration[]): string => {
    for (const each of state) if (!ids.has(each)) ids.set(each, ids.size);
    const name = [base, ...state.map((each) => ids.get(each))].join(' ');
    if (states.size >= limits.product) throw invalidGrammar(TOO_MUCH);
    states.set(name, state);
    return name;
  };
  const start = nameOf(automata.map((automaton) => automaton.start));
  let work = 0;
  // What is found on the way is gone through as well.
  for (const [name, state] of states) {
    const targets = new Map<string, [number, number][]>();
    for (const { first, last, classes } of intervals) {
      if ((work += 1) > limits.productWork) throw invalidGrammar(TOO_MUCH);
      const after = nextOf(automata, state, classes);
      if (after === null) continue;
      const target = nameOf(after);
      const ranges = targets.get(target);
      if (ranges === undefined) targets.set(target, [[first, last]]);
      else ranges.push([first, last]);
    }
    const ways = [...targets].map(([target, ranges]) => seq(chars(rangesOf(ranges)), ref(target)));
    const end = state.every(({ complete }) => complete) ? [EMPTY] : [];
    rules.define(name, wrap(alt(...ways, ...end)));
  }
  return ref(start);
}

const TOO_MUCH = 'the bounds, patterns and lengths are too much together';

function nextOf(automata: readonly Automaton[], state: readonly Configuration[], classes: readonly number[]) {
  const after: Configuration[] = [];
  for (const [index, automaton] of automata.entries()) {
    automaton.begin();
    const reached = automaton.next(state[index]!, classes[index]!);
    if (reached === null) return null;
    after.push(reached);
  }
  return after;
}

interface Interval {
  readonly first: number;
  readonly last: number;
  /** Of each automaton. */
  readonly classes: readonly number[];
}

/** Code points that are alike in all languages. */
function commonIntervals(automata: readonly Automaton[]): Interval[] {
  const borders = new Set(automata.flatMap(({ classes }) => classes));
  const firsts = [...borders].filter((first) => first <= 0x10ffff).sort((a, b) => a - b);
  const at = automata.map(() => 0);
  return firsts.map((first, index) => {
    for (const [of, { classes }] of automata.entries()) if (classes[at[of]! + 1] === first) at[of]! += 1;
    return { first, last: (firsts[index + 1] ?? 0x110000) - 1, classes: [...at] };
  });
}
