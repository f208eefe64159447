import { charactersOf, complementOf, ANY } from '../characters.js';
import {
  alt,
  chars,
  EMPTY,
  NEVER,
  optional,
  quoted,
  ref,
  repeat,
  seq,
  text,
  type Node,
  type Rules,
} from '../ir.js';
import { limits } from '../limits.js';
import { schemasOfItem, schemasOfKey, unsupportedSchema, type Facts, type Located } from './facts.js';
import { anyString } from './strings.js';

/** What may stand behind a colon and a comma: compact, or as people and small models write it. */
const SPACE = optional(text(' '));
export const COMMA = seq(text(','), SPACE);
export const COLON = seq(text(':'), SPACE);

/** The node of a value of which all these schemas speak; of none of them, of any value. */
type NodeOf = (schemas: readonly Located[]) => Node;

/** A list: items of a prefix each as its own schema says, then others. */
export function listNode(rules: Rules, facts: Facts, nodeOf: NodeOf): Node {
  const { lists, minItems } = facts;
  const most = Math.min(facts.maxItems ?? Infinity, limits.repeat);
  if (minItems > most) return NEVER;
  const before = Math.min(Math.max(0, ...lists.map(({ prefix }) => prefix.length)), most);
  const rest = nodeOf(schemasOfItem(facts, Infinity));
  const others = (min: number): Node =>
    repeat(seq(COMMA, rest), Math.max(min, 0), facts.maxItems === null ? null : most - Math.max(before, 1));
  if (before === 0) {
    if (most === 0) return text('[]');
    const some = seq(rest, others(minItems - 1));
    return seq(text('['), minItems === 0 ? optional(some) : some, text(']'));
  }
  // From the end: what may follow the item at an index.
  let tail = others(minItems - before);
  for (let index = before - 1; index >= 0; index--) {
    const item = seq(index === 0 ? EMPTY : COMMA, nodeOf(schemasOfItem(facts, index)), tail);
    tail = rules.define(rules.fresh(), index < minItems ? item : optional(item));
  }
  return seq(text('['), tail, text(']'));
}

/** A record: its keys in the order in which the schema has them, others behind them where it asks for them. */
export function recordNode(rules: Rules, facts: Facts, nodeOf: NodeOf, pointer: string): Node {
  const { records, required, maxProperties, closed } = facts;
  const names = [...new Set([...records.flatMap(({ properties }) => [...properties.keys()]), ...required])];
  const additional = records.flatMap((record) => record.additional ?? []);
  const isShut = additional.some(({ schema }) => schema === false);
  const open = !isShut && (additional.length > 0 || (names.length === 0 && !closed));
  requireCountable(facts, names.length, open, pointer);

  const pair = (name: string): Node =>
    seq(text(JSON.stringify(name)), COLON, nodeOf(schemasOfKey(facts, name)));
  const other = open ? seq(keyBut(rules, names), COLON, nodeOf(additional)) : NEVER;
  const bound = names.length === 0 && maxProperties !== null ? Math.min(maxProperties, limits.repeat) : null;
  const others = bound === 0 ? EMPTY : repeat(seq(COMMA, other), 0, bound === null ? null : bound - 1);

  const firstRequired = names.findIndex((name) => required.includes(name));
  const last = firstRequired < 0 ? names.length - 1 : firstRequired;
  // What may follow the key at an index, where there is one before it.
  const item = (name: string): Node =>
    required.includes(name) ? seq(COMMA, pair(name)) : optional(seq(COMMA, pair(name)));
  const after: Node[] = [];
  after[last + 1] = rules.define(rules.fresh(), seq(...names.slice(last + 1).map(item), others));
  for (let index = last; index > 0; index--) {
    after[index] = rules.define(rules.fresh(), seq(item(names[index]!), after[index + 1]!));
  }
  const beginnings = names.slice(0, last + 1).map((name, index) => seq(pair(name), after[index + 1]!));
  if (firstRequired < 0) beginnings.push(bound === 0 ? NEVER : seq(other, others));
  const mayBeEmpty = firstRequired < 0 && facts.minProperties === 0;
  return seq(text('{'), mayBeEmpty ? optional(alt(...beginnings)) : alt(...beginnings), text('}'));
}

/** Keys are not counted, so their bounds have to follow from what else is said; and of equal keys the last one counts. */
function requireCountable(
  { required, minProperties, maxProperties }: Facts,
  names: number,
  open: boolean,
  pointer: string,
): void {
  if (minProperties > Math.max(required.length, 1)) {
    throw unsupportedSchema(
      pointer,
      'minProperties above 1 and the number of required keys is not supported',
    );
  }
  if (maxProperties === null || (names === 0 ? true : !open && maxProperties >= names)) return;
  throw unsupportedSchema(
    pointer,
    'maxProperties below the number of keys, or beside additionalProperties, is not supported',
  );
}

/** A string that is none of the names: a key that is declared cannot come again as another one. */
function keyBut(rules: Rules, names: readonly string[]): Node {
  if (names.length === 0) return anyString(rules);
  const base = rules.fresh();
  const spelled = names.map((name) => Array.from(name));
  const prefixes = new Map<string, Set<string>>();
  for (const name of spelled) {
    for (const [length, next] of name.entries()) {
      const prefix = name.slice(0, length).join('');
      prefixes.set(prefix, (prefixes.get(prefix) ?? new Set()).add(next));
    }
  }
  for (const name of names) if (!prefixes.has(name)) prefixes.set(name, new Set());
  for (const [prefix, nexts] of prefixes) {
    const known = [...nexts].map((next) => seq(text(next), ref(`${base} ${prefix}${next}`)));
    const others = seq(chars(complementOf(charactersOf([...nexts].join('')))), repeat(chars(ANY), 0, null));
    const end = names.includes(prefix) ? [] : [EMPTY];
    rules.define(`${base} ${prefix}`, quoted(alt(...known, others, ...end)));
  }
  return seq(text('"'), ref(`${base} `), text('"'));
}
