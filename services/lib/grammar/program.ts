import type { Sequence } from './characters.js';
import type { Grammar, Node, Ranges } from './ir.js';
import { invalidGrammar, limits } from './limits.js';

/** One state of a recursive transition network (Woods 1970); the numbers are those of other states. */
export type State =
  | { readonly op: 'return' }
  /** Takes one symbol of a set. */
  | { readonly op: 'symbol'; readonly set: number; readonly next: number }
  | { readonly op: 'split'; readonly to: readonly number[] }
  | { readonly op: 'call'; readonly rule: string; readonly next: number }
  /** Takes up to `max` turns of a loop, and at least `min`. */
  | { readonly op: 'enter'; readonly loop: number; readonly min: number; readonly max: number }
  | { readonly op: 'loop'; readonly body: number; readonly next: number };

/** Where every rule ends. */
export const RETURN = 0;

/** How a set of characters becomes symbols: code points, or bytes in two spellings. */
export interface Alphabet {
  readonly plain: (ranges: Ranges) => Sequence[];
  readonly quoted: (ranges: Ranges) => Sequence[];
}

export interface Program {
  readonly states: readonly State[];
  readonly root: number;
  readonly rules: ReadonlyMap<string, number>;
  /** Where each class of symbols begins: those of one class are in the same sets. */
  readonly classes: readonly number[];
  /** By set, and within it by class. */
  readonly members: readonly Uint8Array[];
}

/** The network of a normalized grammar. Throws `invalid_grammar` for one that becomes too large. */
export function createProgram(grammar: Grammar, alphabet: Alphabet): Program {
  const builder = new Builder(alphabet);
  const rules = new Map([...grammar.rules].map(([name, node]) => [name, builder.node(node, RETURN, false)]));
  const root = builder.node(grammar.root, RETURN, false);
  return { states: builder.states, root, rules, ...builder.classes() };
}

/** One symbol of a set, and what comes behind it. */
interface Branch {
  readonly set: number;
  readonly rest: readonly Branch[];
}

/** Builds states from the end of a text to its beginning. Equal states are one, so that what follows from them is found once. */
class Builder {
  readonly states: State[] = [{ op: 'return' }];
  readonly #alphabet: Alphabet;
  readonly #ids = new Map<string, number>();
  readonly #sets: Sequence[] = [];
  /** By how they are quoted and what they are. */
  readonly #spelled = new Map<string, readonly Branch[]>();
  #work = 0;

  constructor(alphabet: Alphabet) {
    this.#alphabet = alphabet;
  }

  /** The state from which the node is read, and then `next`. */
  node(node: Node, next: number, quoted: boolean): number {
    if ((this.#work += 1) > limits.states) throw tooLarge();
    if ('text' in node) return this.#text(node.text, next, quoted);
    if ('chars' in node) return this.#characters(node.chars, next, quoted);
    if ('seq' in node) return node.seq.reduceRight((after, part) => this.node(part, after, quoted), next);
    if ('alt' in node) return this.#alternatives(node.alt, next, quoted);
    if ('ref' in node) return this.#state({ op: 'call', rule: node.ref, next }, `c${next} ${node.ref}`);
    return 'quoted' in node ? this.node(node.quoted, next, true) : this.#repeat(node, next, quoted);
  }

  /** Texts are read together as far as they begin alike: of a long list of them one way is left after a character or two. */
  #alternatives(nodes: readonly Node[], next: number, quoted: boolean): number {
    const texts = nodes.flatMap((node) => ('text' in node ? [Array.from(node.text)] : []));
    const others = nodes.flatMap((node) => ('text' in node ? [] : this.node(node, next, quoted)));
    return this.#split(texts.length === 0 ? others : [...others, this.#words(texts, 0, next, quoted)]);
  }

  /** The texts from an index on, up to which they are equal. */
  #words(texts: readonly (readonly string[])[], from: number, next: number, quoted: boolean): number {
    if ((this.#work += texts.length) > limits.states) throw tooLarge();
    const byLetter = groupBy(texts, (text) => text[from] ?? '');
    return this.#split(
      [...byLetter].map(([letter, group]) => {
        if (letter === '') return next;
        const [first] = group;
        let end = from + 1;
        while (end < first!.length && group.every((text) => text[end] === first![end])) end += 1;
        const rest = group.length === 1 ? next : this.#words(group, end, next, quoted);
        return this.#text(first!.slice(from, group.length === 1 ? undefined : end), rest, quoted);
      }),
    );
  }

  #text(text: Iterable<string>, next: number, quoted: boolean): number {
    const codes = Array.from(text, (character) => character.codePointAt(0)!);
    return codes.reduceRight((after, code) => this.#characters([[code, code]], after, quoted), next);
  }

  #characters(ranges: Ranges, next: number, quoted: boolean): number {
    const key = `${quoted} ${ranges.join()}`;
    let branches = this.#spelled.get(key);
    if (branches === undefined) {
      branches = this.#branches(quoted ? this.#alphabet.quoted(ranges) : this.#alphabet.plain(ranges));
      this.#spelled.set(key, branches);
    }
    return this.#read(branches, next);
  }

  /** Sequences by their first symbol; those that go on alike are one branch. */
  #branches(sequences: readonly Sequence[]): Branch[] {
    const byFirst = groupBy(sequences, ([first]) => first!.join());
    const restOf = (group: readonly Sequence[]): Sequence[] => group.map((each) => each.slice(1));
    const byRest = groupBy(byFirst.values(), (group) => restOf(group).join('|'));
    return [...byRest.values()].map((groups) => {
      const rest = restOf(groups[0]!);
      const set = this.#set(groups.map((group) => group[0]![0]!));
      return { set, rest: rest[0]!.length === 0 ? [] : this.#branches(rest) };
    });
  }

  #read(branches: readonly Branch[], next: number): number {
    const states = branches.map(({ set, rest }) => {
      const after = rest.length === 0 ? next : this.#read(rest, next);
      return this.#state({ op: 'symbol', set, next: after }, `s${after} ${set}`);
    });
    return this.#split(states);
  }

  #repeat(
    { repeat: body, min, max }: Node & { min: number; max: number | null; repeat: Node },
    next: number,
    quoted: boolean,
  ): number {
    if (min === 0 && max === 1) return this.#split([this.node(body, next, quoted), next]);
    if (max === null && min <= 1) {
      const again = this.states.push({ op: 'split', to: [] }) - 1;
      const start = this.node(body, again, quoted);
      this.states[again] = { op: 'split', to: [start, next] };
      return min === 0 ? again : start;
    }
    if (max === null)
      return this.#enter(body, min, min, this.#repeat({ repeat: body, min: 0, max }, next, quoted), quoted);
    return this.#enter(body, min, max, next, quoted);
  }

  #enter(body: Node, min: number, max: number, next: number, quoted: boolean): number {
    const start = this.node(body, RETURN, quoted);
    const loop = this.#state({ op: 'loop', body: start, next }, `l${start} ${next}`);
    return this.#state({ op: 'enter', loop, min, max }, `e${loop} ${min} ${max}`);
  }

  #split(to: readonly number[]): number {
    const unique = [...new Set(to)];
    return unique.length === 1 ? unique[0]! : this.#state({ op: 'split', to: unique }, `p${unique.join()}`);
  }

  #set(ranges: Sequence): number {
    const key = `set ${ranges.join()}`;
    let set = this.#ids.get(key);
    if (set === undefined) {
      set = this.#sets.push(ranges) - 1;
      this.#ids.set(key, set);
    }
    return set;
  }

  #state(state: State, key: string): number {
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.states.push(state) - 1;
      if (id > limits.states) throw tooLarge();
      this.#ids.set(key, id);
    }
    return id;
  }

  classes(): Pick<Program, 'classes' | 'members'> {
    const borders = new Set(this.#sets.flatMap((set) => set.flatMap(([first, last]) => [first, last + 1])));
    const classes = [...borders.add(0)].sort((a, b) => a - b);
    if (classes.length * this.#sets.length > limits.table) throw tooLarge();
    const index = new Map(classes.map((border, at) => [border, at]));
    const members = this.#sets.map((set) => {
      const row = new Uint8Array(classes.length);
      for (const [first, last] of set) row.fill(1, index.get(first), index.get(last + 1));
      return row;
    });
    return { classes, members };
  }
}

function groupBy<Item>(items: Iterable<Item>, keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

const tooLarge = () => invalidGrammar('the grammar becomes too large: shorten it');
