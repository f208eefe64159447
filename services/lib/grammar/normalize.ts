import {
  alt,
  checkGrammar,
  childrenOf,
  EMPTY,
  isLeaf,
  NEVER,
  ref,
  repeat,
  seq,
  type Grammar,
  type Node,
} from './ir.js';
import { invalidGrammar, limits } from './limits.js';

/**
 * The same language without what can never come to an end, so that whoever follows the grammar always can; without rules
 * that nothing uses; and without bounded repetitions of what may be empty, whose turns could not be counted. The root is `NEVER` where nothing is left. Throws
 * `invalid_grammar` for rules that begin with themselves, and beyond the limits.
 */
export function normalize(grammar: Grammar): Grammar {
  checkGrammar(grammar);
  const ended = withoutEndless(grammar);
  const empty = mayBeEmpty(ended);
  requireProgress(ended, empty);
  const counted = withCountedTurns(ended, empty);
  checkGrammar(counted);
  return counted;
}

type Holds = (node: Node) => boolean;

/**
 * For which nodes something holds: for these leaves, for what may be left out, for a sequence if it holds for all
 * its parts, and for anything else if it holds for one. Each node is looked at once for each of its parts.
 */
function nodesWhere({ root, rules }: Grammar, holdsForLeaf: Holds): Holds {
  const users = new Map<Node, Node[]>();
  /** Parts for which it still has to hold. */
  const missing = new Map<Node, number>();
  const holds = new Set<Node>();
  const waiting = [root, ...rules.values()];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (isLeaf(node) || missing.has(node)) continue;
    const parts = 'ref' in node ? [rules.get(node.ref)!] : childrenOf(node);
    let left = 'seq' in node ? parts.length : 1;
    if ('repeat' in node && node.min === 0) left = 0;
    for (const part of parts) {
      if (isLeaf(part)) {
        if (holdsForLeaf(part)) left -= 1;
        continue;
      }
      const of = users.get(part);
      if (of === undefined) users.set(part, [node]);
      else of.push(node);
      waiting.push(part);
    }
    missing.set(node, left);
    if (left <= 0) holds.add(node);
  }
  // What is found on the way is gone through as well.
  for (const node of holds) {
    for (const user of users.get(node) ?? []) {
      const left = missing.get(user)! - 1;
      missing.set(user, left);
      if (left <= 0) holds.add(user);
    }
  }
  return (node) => (isLeaf(node) ? holdsForLeaf(node) : holds.has(node));
}

function withoutEndless(grammar: Grammar): Grammar {
  const ends = nodesWhere(grammar, (leaf) => 'text' in leaf || ('chars' in leaf && leaf.chars.length > 0));
  const keep = (node: Node): Node => {
    if (!ends(node)) return NEVER;
    if ('seq' in node) return seq(...node.seq.map(keep));
    if ('alt' in node) return alt(...node.alt.filter((each) => ends(each)).map(keep));
    if ('repeat' in node) return ends(node.repeat) ? repeat(keep(node.repeat), node.min, node.max) : EMPTY;
    return 'quoted' in node ? { quoted: keep(node.quoted) } : node;
  };
  const root = keep(grammar.root);
  const rules = new Map<string, Node>();
  const waiting = [root];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if ('ref' in node && !rules.has(node.ref)) {
      const rule = keep(grammar.rules.get(node.ref)!);
      rules.set(node.ref, rule);
      waiting.push(rule);
    }
    waiting.push(...childrenOf(node));
  }
  return { root, rules };
}

const mayBeEmpty = (grammar: Grammar): Holds =>
  nodesWhere(grammar, (leaf) => 'text' in leaf && leaf.text === '');

/** Throws where a rule begins with itself: reading it would never come to a character. */
function requireProgress(grammar: Grammar, empty: Holds): void {
  const beginnings = (node: Node): string[] => {
    if ('ref' in node) return [node.ref];
    if (!('seq' in node)) return childrenOf(node).flatMap(beginnings);
    const solid = node.seq.findIndex((part) => !empty(part));
    return node.seq.slice(0, solid < 0 ? undefined : solid + 1).flatMap(beginnings);
  };
  const done = new Set<string>();
  for (const start of grammar.rules.keys()) {
    const path = new Set<string>();
    const waiting: { name: string; leave: boolean }[] = [{ name: start, leave: false }];
    for (let step = waiting.pop(); step !== undefined; step = waiting.pop()) {
      const { name, leave } = step;
      if (leave) {
        path.delete(name);
        done.add(name);
      } else if (path.has(name)) {
        throw invalidGrammar(`the rule ${name.slice(0, 80)} begins with itself: put something before it`);
      } else if (!done.has(name)) {
        path.add(name);
        waiting.push({ name, leave: true });
        for (const next of new Set(beginnings(grammar.rules.get(name)!)))
          waiting.push({ name: next, leave: false });
      }
    }
  }
}

/** What is made of a part is kept: it is asked for with and without the empty text, which would double at every depth. */
function withCountedTurns(grammar: Grammar, empty: Holds): Grammar {
  const rules = new Map<string, Node>();
  /** Rules whose texts but the empty one are named and not made yet: refs go as far as they like. */
  const waiting: string[] = [];
  let made = 0;
  const counted: (node: Node) => Node = remembered((node: Node): Node => {
    if ('seq' in node) return seq(...node.seq.map(counted));
    if ('alt' in node) return alt(...node.alt.map(counted));
    if ('quoted' in node) return { quoted: counted(node.quoted) };
    if (!('repeat' in node)) return node;
    const loose = empty(node.repeat);
    if (node.max === null && node.min <= 1) return repeat(counted(node.repeat), loose ? 0 : node.min, null);
    return loose ? repeat(solid(node.repeat), 0, node.max) : repeat(counted(node.repeat), node.min, node.max);
  });
  /** The node without the empty text. */
  const solid: (node: Node) => Node = remembered((node: Node): Node => {
    if (!empty(node)) return counted(node);
    if ('alt' in node) return alt(...node.alt.map(solid));
    if ('quoted' in node) return { quoted: solid(node.quoted) };
    if ('repeat' in node) {
      const turn = solid(node.repeat);
      const more = node.max === null ? null : node.max - 1;
      return node.max === 1 ? turn : seq(turn, repeat(turn, 0, more));
    }
    if ('ref' in node) {
      const name = `${node.ref}~`;
      if (!rules.has(name)) {
        rules.set(name, NEVER);
        waiting.push(node.ref);
      }
      return ref(name);
    }
    if (!('seq' in node)) return NEVER;
    const parts = node.seq.map(counted);
    // Before they are made: of a sequence as long as a grammar may be there would be gigabytes of them.
    made += (parts.length * (parts.length + 1)) / 2;
    if (made > MOST_MADE) throw invalidGrammar('the grammar becomes too large: shorten it');
    return alt(...node.seq.map((part, index) => seq(solid(part), ...parts.slice(index + 1))));
  });
  for (const [name, node] of grammar.rules) rules.set(name, counted(node));
  const root = counted(grammar.root);
  for (let rule = waiting.pop(); rule !== undefined; rule = waiting.pop())
    rules.set(`${rule}~`, solid(grammar.rules.get(rule)!));
  return { root, rules };
}

/** Parts of sequences; a few fewer may remain, of which the limit of a grammar's parts is the bound. */
const MOST_MADE = 4 * limits.nodes;

function remembered(make: (node: Node) => Node): (node: Node) => Node {
  const known = new Map<Node, Node>();
  return (node) => {
    const found = known.get(node) ?? make(node);
    known.set(node, found);
    return found;
  };
}
