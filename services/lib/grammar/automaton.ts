import type { Grammar } from './ir.js';
import { invalidGrammar, limits } from './limits.js';
import { createProgram, RETURN, type Alphabet, type Program } from './program.js';

/** What is to be gone on with where a rule, or the turn of a loop, ends. Equal ones are the same object. */
export interface Frame {
  readonly id: number;
  readonly state: number;
  /** Turns that the loop is still to take, and may still; of a rule 0. */
  readonly min: number;
  readonly max: number;
  readonly isLoop: boolean;
  readonly parent: Frame | null;
}

/** One way to read what has been read: a state that takes a symbol, and what follows at its rule's end. */
interface Thread {
  readonly state: number;
  readonly stack: Frame | null;
}

/** All ways to read one prefix. */
export interface Configuration {
  readonly threads: readonly Thread[];
  /** The prefix is a whole text of the language. */
  readonly complete: boolean;
  /** By class of symbols: what a symbol of it leads to, once known; null is nowhere. */
  readonly next: (Configuration | null | undefined)[];
}

/**
 * Reads texts symbol by symbol, all ways at once, as a pushdown automaton that is made deterministic where it is
 * walked and nowhere else. What has been found is remembered, up to a bound.
 */
export class Automaton {
  readonly start: Configuration;
  readonly classes: readonly number[];
  readonly #program: Program;
  #frames = new Map<string, Frame>();
  #configurations = new Map<string, Configuration>();
  #lastFrame = 0;
  #work = 0;

  /** Throws `invalid_grammar` for a grammar beyond the limits; `grammar` is normalized. */
  constructor(grammar: Grammar, alphabet: Alphabet) {
    this.#program = createProgram(grammar, alphabet);
    this.classes = this.#program.classes;
    this.start = this.#close([{ state: this.#program.root, stack: null }]);
  }

  /** What is remembered, roughly, bytes. */
  get bytes(): number {
    const { states, members, classes } = this.#program;
    const tables = states.length * 100 + members.length * classes.length;
    return tables + this.#frames.size * 150 + this.#configurations.size * (200 + classes.length * 8);
  }

  /** To be said before each piece of work that is bounded by itself. */
  begin(): void {
    this.#work = 0;
  }

  /** Null where no text goes on so. Throws `invalid_grammar` when it takes more than the limits allow. */
  next(configuration: Configuration, symbolClass: number): Configuration | null {
    const known = configuration.next[symbolClass];
    if (known !== undefined) return known;
    const { states, members } = this.#program;
    const items: Thread[] = [];
    for (const { state, stack } of configuration.threads) {
      const reader = states[state]!;
      if (reader.op === 'symbol' && members[reader.set]![symbolClass] === 1)
        items.push({ state: reader.next, stack });
    }
    const found = items.length === 0 ? null : this.#close(items);
    configuration.next[symbolClass] = found;
    return found;
  }

  /** One thread by itself, as if its rule were the whole grammar; and the frame at which the rule ends, if it does. */
  segment({ state, stack }: Thread): { readonly inner: Configuration; readonly outer: Frame | null } {
    const loops: Frame[] = [];
    let outer = stack;
    for (; outer?.isLoop === true; outer = outer.parent) loops.push(outer);
    const own = loops.reduceRight<Frame | null>(
      (parent, { state, min, max }) => this.#frame(state, min, max, true, parent),
      null,
    );
    return { inner: this.#close([{ state, stack: own }]), outer };
  }

  /** What is read on after a rule has ended at this frame. */
  resume({ state, parent }: Frame): Configuration {
    return this.#close([{ state, stack: parent }]);
  }

  /** The same as far as so many symbols can tell: the counts of loops that are higher are all alike. */
  clamped(configuration: Configuration, symbols: number): Configuration {
    const threads = configuration.threads.map(({ state, stack }) => {
      const frames: Frame[] = [];
      for (let frame = stack; frame !== null; frame = frame.parent) frames.push(frame);
      if (frames.every(({ min, max }) => min <= symbols && max <= symbols)) return { state, stack };
      const clamp = (parent: Frame | null, { state, min, max, isLoop }: Frame): Frame =>
        this.#frame(state, Math.min(min, symbols), Math.min(max, symbols), isLoop, parent);
      return { state, stack: frames.reduceRight(clamp, null) };
    });
    const same = threads.every(({ stack }, index) => stack === configuration.threads[index]!.stack);
    return same ? configuration : this.#intern(threads, configuration.complete);
  }

  /** All that can be reached without a symbol. */
  #close(items: Thread[]): Configuration {
    const { states, rules } = this.#program;
    const seen = new Set<number>();
    const threads: Thread[] = [];
    let complete = false;
    const turn = (loop: number, min: number, max: number, stack: Frame | null): void => {
      const state = states[loop]!;
      if (state.op !== 'loop') return;
      if (min === 0) items.push({ state: state.next, stack });
      if (max > 0)
        items.push({
          state: state.body,
          stack: this.#frame(loop, Math.max(min - 1, 0), max - 1, true, stack),
        });
    };
    for (let item = items.pop(); item !== undefined; item = items.pop()) {
      const { state: id, stack } = item;
      const key = id * FRAMES + (stack?.id ?? 0);
      if (seen.has(key)) continue;
      seen.add(key);
      if ((this.#work += 1) > limits.work) throw invalidGrammar('the grammar can be read in too many ways');
      const state = states[id]!;
      switch (state.op) {
        case 'symbol':
          threads.push(item);
          break;
        case 'split':
          for (const to of state.to) items.push({ state: to, stack });
          break;
        case 'call': {
          // Who has nothing left to do needs no frame: a list as a rule that ends with itself takes no stack.
          const after = state.next === RETURN ? stack : this.#frame(state.next, 0, 0, false, stack);
          items.push({ state: rules.get(state.rule)!, stack: after });
          break;
        }
        case 'enter':
          turn(state.loop, state.min, state.max, stack);
          break;
        case 'return':
          if (stack === null) complete = true;
          else if (stack.isLoop) turn(stack.state, stack.min, stack.max, stack.parent);
          else items.push({ state: stack.state, stack: stack.parent });
          break;
        case 'loop':
          break;
      }
    }
    return this.#intern(threads, complete);
  }

  #intern(threads: Thread[], complete: boolean): Configuration {
    if (threads.length > limits.threads) throw invalidGrammar('the grammar can be read in too many ways');
    const keys = threads.map(({ state, stack }) => state * FRAMES + (stack?.id ?? 0)).sort((a, b) => a - b);
    const key = `${complete} ${keys.join()}`;
    let configuration = this.#configurations.get(key);
    if (configuration === undefined) {
      if (this.#configurations.size >= limits.configurations) this.#forget();
      configuration = { threads, complete, next: [] };
      this.#configurations.set(key, configuration);
    }
    return configuration;
  }

  /** Those that are in use stay so, but nothing leads to them any more. */
  #forget(): void {
    for (const { next } of [this.start, ...this.#configurations.values()]) next.length = 0;
    this.#configurations = new Map();
  }

  #frame(state: number, min: number, max: number, isLoop: boolean, parent: Frame | null): Frame {
    const key = `${state} ${min} ${max} ${parent?.id ?? 0}`;
    let frame = this.#frames.get(key);
    if (frame === undefined) {
      if (this.#frames.size >= limits.configurations * 4) this.#frames = new Map();
      frame = { id: (this.#lastFrame += 1), state, min, max, isLoop, parent };
      this.#frames.set(key, frame);
    }
    return frame;
  }
}

/** More than there can be frames; times the states it is below 2^53. */
const FRAMES = 2 ** 33;
