import { Automaton, type Configuration } from './automaton.js';
import { asQuoted, asUtf8 } from './characters.js';
import { readGrammar, type Grammar } from './ir.js';
import { invalidGrammar, limits } from './limits.js';
import { normalize } from './normalize.js';
import { bytesOfToken, type TokenTrie } from './token-trie.js';

/** Follows one generation token by token and says what may come next. */
export interface Matcher {
  /**
   * The tokens that may come next, `ceil(rows / 32)` words: token `id` is allowed where bit `id & 31` of word `id >> 5` is
   * set. It says nothing of the tokens that end a generation: these are allowed where `complete` is true, and nothing
   * else is where `ended` is. It is remembered and shared: read it before the next call, and do not write to it. Throws
   * `invalid_grammar` where the vocabulary has no token that goes on, or the limits are exceeded.
   */
  mask(): Uint32Array;
  /** Goes on by one token, if it may come next; else nothing changes and it is false. Not for tokens that end it. */
  accept(id: number): boolean;
  /** What has been accepted is a whole text of the grammar. */
  readonly complete: boolean;
  /** It is, and no token can follow. */
  readonly ended: boolean;
  /** Nothing is to be asked after it; it frees what only this matcher holds. */
  dispose(): void;
}

/** A grammar over a vocabulary, ready for any number of generations, each with a matcher of its own. */
export interface CompiledConstraint {
  matcher(): Matcher;
  /** What it takes up now, roughly, bytes; it grows with what is found, up to a bound. */
  readonly bytes: number;
}

/** Masks remembered for one grammar, of whole configurations and of the inside of rules: as many bytes as so many take. */
const MASKS = 512;
/** Of a mask in memory beside its bits, bytes. */
const MASK_OVERHEAD = 100;

/**
 * `source` is what `writeGrammar` made. Throws `invalid_grammar` for whatever else and for what is beyond the limits.
 * Takes a millisecond or two; masks are found when they are first asked for.
 */
export function compileConstraint(source: string, trie: TokenTrie): CompiledConstraint {
  return compileGrammar(readGrammar(source), trie);
}

function compileGrammar(grammar: Grammar, trie: TokenTrie): CompiledConstraint {
  const masks = new Masks(new Automaton(normalize(grammar), { plain: asUtf8, quoted: asQuoted }), trie);
  return {
    matcher: () => new ConfigurationMatcher(masks, trie),
    get bytes() {
      return masks.bytes;
    },
  };
}

class ConfigurationMatcher implements Matcher {
  readonly #masks: Masks;
  readonly #trie: TokenTrie;
  #now: Configuration | null;

  constructor(masks: Masks, trie: TokenTrie) {
    this.#masks = masks;
    this.#trie = trie;
    this.#now = masks.start;
  }

  get complete(): boolean {
    return this.#configuration.complete;
  }

  get ended(): boolean {
    return this.complete && this.#configuration.threads.length === 0;
  }

  mask(): Uint32Array {
    const mask = this.#masks.of(this.#configuration);
    if (this.complete || mask.some((word) => word !== 0)) return mask;
    throw invalidGrammar('no token of this model goes on as the grammar wants');
  }

  accept(id: number): boolean {
    const bytes = bytesOfToken(this.#trie, id);
    const next = bytes.length === 0 ? null : this.#masks.after(this.#configuration, bytes);
    this.#now = next ?? this.#now;
    return next !== null;
  }

  dispose(): void {
    this.#now = null;
  }

  get #configuration(): Configuration {
    if (this.#now === null) throw new Error('the matcher was disposed');
    return this.#now;
  }
}

/** The inside of a rule: the tokens that end in it, and the nodes of the trie at which the rule may be over. */
interface Inside {
  readonly mask: Uint32Array;
  /** Of a rule that may be over anywhere, such as `[^<]*`, half the trie. */
  readonly exits: Int32Array;
}

/** What configurations let through. */
class Masks {
  readonly #automaton: Automaton;
  readonly #trie: TokenTrie;
  readonly #classOf: Uint16Array;
  readonly #masks: Recent<Configuration, Uint32Array>;
  readonly #insides: Recent<Configuration, Inside>;
  /** Nodes of the trie, for the mask that is being made. */
  #visited = 0;

  constructor(automaton: Automaton, trie: TokenTrie) {
    this.#automaton = automaton;
    this.#trie = trie;
    const most = MASKS * (this.#empty().byteLength + MASK_OVERHEAD);
    this.#masks = new Recent(most, (mask) => mask.byteLength + MASK_OVERHEAD);
    this.#insides = new Recent(most, ({ mask, exits }) => mask.byteLength + exits.byteLength + MASK_OVERHEAD);
    this.#classOf = new Uint16Array(256);
    for (let byte = 0, at = 0; byte < 256; byte++) {
      if (automaton.classes[at + 1] === byte) at += 1;
      this.#classOf[byte] = at;
    }
  }

  get start(): Configuration {
    return this.#automaton.start;
  }

  get bytes(): number {
    return this.#automaton.bytes + this.#masks.bytes + this.#insides.bytes;
  }

  after(configuration: Configuration, bytes: Uint8Array): Configuration | null {
    this.#automaton.begin();
    let now: Configuration | null = configuration;
    for (const byte of bytes) now = now === null ? null : this.#step(now, byte);
    return now;
  }

  /**
   * Of each way to read on, the tokens that stay inside of its rule, which are the same wherever the rule is used and
   * are nearly all, and the few that go on behind it.
   */
  of(exact: Configuration): Uint32Array {
    this.#automaton.begin();
    this.#visited = 0;
    const configuration = this.#automaton.clamped(exact, this.#trie.longest);
    return this.#masks.get(configuration, () => {
      const mask = this.#empty();
      for (const thread of configuration.threads) {
        const { inner, outer } = this.#automaton.segment(thread);
        const inside = this.#insides.get(inner, () => this.#inside(inner));
        for (let word = 0; word < mask.length; word++) mask[word]! |= inside.mask[word]!;
        if (outer === null || inside.exits.length === 0) continue;
        const behind = this.#automaton.resume(outer);
        for (const exit of inside.exits) this.#walk(exit, behind, mask);
      }
      return mask;
    });
  }

  #inside(configuration: Configuration): Inside {
    const mask = this.#empty();
    const exits: number[] = [];
    this.#walk(0, configuration, mask, exits);
    return { mask, exits: Int32Array.from(exits) };
  }

  /** Sets the bits of the tokens below a node that can be read from a configuration on; notes where it may be over. */
  #walk(node: number, start: Configuration, mask: Uint32Array, exits?: number[]): void {
    const { byte, depth, end, from, tokens } = this.#trie;
    const path: Configuration[] = [];
    path[depth[node]!] = start;
    const last = end[node]!;
    for (let at = node + 1; at < last;) {
      if ((this.#visited += 1) > limits.nodesOfMask)
        throw invalidGrammar('the grammar can be read in too many ways');
      const reached = this.#step(path[depth[at]! - 1]!, byte[at]!);
      if (reached === null) {
        at = end[at]!;
        continue;
      }
      for (let index = from[at]!; index < from[at + 1]!; index++) {
        const id = tokens[index]!;
        mask[id >> 5]! |= 1 << (id & 31);
      }
      path[depth[at]!] = reached;
      if (reached.complete && end[at]! > at + 1) exits?.push(at);
      at += 1;
    }
  }

  #step(configuration: Configuration, byte: number): Configuration | null {
    const symbolClass = this.#classOf[byte]!;
    const known = configuration.next[symbolClass];
    return known === undefined ? this.#automaton.next(configuration, symbolClass) : known;
  }

  #empty(): Uint32Array {
    return new Uint32Array(Math.ceil(this.#trie.rows / 32));
  }
}

/** What was asked for last, up to a number of bytes, or one thing alone. */
class Recent<Key, Value> {
  readonly #most: number;
  readonly #sizeOf: (value: Value) => number;
  readonly #values = new Map<Key, Value>();
  #bytes = 0;

  constructor(most: number, sizeOf: (value: Value) => number) {
    this.#most = most;
    this.#sizeOf = sizeOf;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: Key, find: () => Value): Value {
    const known = this.#values.get(key);
    const value = known ?? find();
    if (known === undefined) this.#bytes += this.#sizeOf(value);
    this.#values.delete(key);
    this.#values.set(key, value);
    for (const [oldest, each] of this.#values) {
      if (this.#bytes <= this.#most || oldest === key) break;
      this.#values.delete(oldest);
      this.#bytes -= this.#sizeOf(each);
    }
    return value;
  }
}
