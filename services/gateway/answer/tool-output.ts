import { randomUUID } from 'node:crypto';
import type { ToolStyle } from '../../lib/model/text/tool-style.js';
import type { ToolCallPiece } from '../../lib/openai/response-format.js';
import type { ToolUse } from '../../lib/openai/tools.js';
import { CallScanner } from './call-scanner.js';

/** What an answer says, as far as it is certain. */
export interface Said {
  readonly text: string;
  readonly calls: readonly ToolCallPiece[];
}

/** How the calls in an answer are read. */
export interface CallReading {
  readonly style: ToolStyle;
  /** Of the tools that may be called. */
  readonly names: ReadonlySet<string>;
  /** Whether an answer may have several calls; else it ends with the first. */
  readonly parallel: boolean;
  /** Why an answer with calls ends that ends by itself: as in OpenAI, it just stops where it had to call one tool. */
  readonly finishReason: 'tool_calls' | 'stop';
}

/**
 * Null where the client has no tools, or wants none called. `bound`: the answer is of a grammar, so calls stand where their style has
 * them and nowhere else.
 */
export function callReading(use: ToolUse | null, style: ToolStyle, bound: boolean): CallReading | null {
  if (use === null || use.choice === 'none') return null;
  const { tools, choice, parallel } = use;
  return {
    style: bound ? { ...style, bare: style.layout === 'bare' } : style,
    names: new Set(tools.map((tool) => tool.function.name)),
    parallel: parallel && typeof choice === 'string',
    finishReason: typeof choice === 'string' ? 'tool_calls' : 'stop',
  };
}

/** A name before arguments, as newer models of Mistral's have it, is shorter. */
const LONGEST_HEAD = 256;
const HEAD = /^\s*([^\s[\]{}]+?)\s*(?:\[CALL_ID\][^[\]{}]*)?(?:\[ARGS\])?\s*$/;

/**
 * Tells the calls in an answer from its text. What comes out does not depend on where the pieces end that it comes in; what
 * may be the beginning of a call is held back until it is certain, and what turns out to be none is text, nothing of
 * which is lost. White space alone before, between and after calls is none.
 */
export class ToolOutput {
  /** Whether nothing may follow. */
  ended = false;
  /** Calls so far. */
  count = 0;
  readonly #options: CallReading;
  /** What has come and has not been looked at, or not with certainty. */
  #rest = '';
  #where: 'text' | 'call' | 'after' = 'text';
  /** Whether a call may begin here without what begins it. */
  #bare: boolean;
  #listed = false;
  /** What began what may become a call, and what of it has been looked at. */
  #begin = '';
  #candidate = '';
  #scanner: CallScanner | null = null;
  /** Whether it has become one. */
  #called = false;
  /** White space since the start or the last call; null after other text. */
  #space: string | null = '';
  #text = '';
  #calls: ToolCallPiece[] = [];

  constructor(options: CallReading) {
    this.#options = options;
    this.#bare = options.style.bare;
  }

  /** `isLast`: nothing follows, so nothing is held back. */
  push(piece: string, isLast = false): Said {
    this.#rest += piece;
    while (!this.ended && this.#goesOn());
    if (isLast) this.#flush();
    const said = { text: this.#text, calls: this.#calls };
    this.#text = '';
    this.#calls = [];
    return said;
  }

  #flush(): void {
    while (this.#where === 'call' && !this.#called && this.#fail()) while (!this.ended && this.#goesOn());
    if (this.#where === 'text' && !this.ended) this.#say(this.#rest);
    if (this.count === 0) this.#text += this.#space ?? '';
    this.#rest = '';
  }

  #say(text: string): void {
    if (this.#space !== null && text.trim() === '') this.#space += text;
    else {
      this.#text += (this.#space ?? '') + text;
      this.#space = null;
    }
  }

  /** Takes a step if what has come allows one. */
  #goesOn(): boolean {
    if (this.#where === 'text') return this.#readText();
    if (this.#where === 'after') return this.#readAfter();
    return this.#scanner === null ? this.#readHead() : this.#readCall(this.#scanner);
  }

  #readText(): boolean {
    const { begin } = this.#options.style;
    const start = this.#rest.trimStart();
    if (this.#bare && start === '') return false;
    if (this.#bare && start.startsWith('{')) return this.#try('');
    this.#bare = false;
    const at = this.#rest.indexOf(begin);
    const certain = at >= 0 ? at : this.#rest.length - longestStart(begin, this.#rest);
    this.#say(this.#rest.slice(0, certain));
    this.#rest = this.#rest.slice(certain);
    return at >= 0 && this.#try(begin);
  }

  #try(begin: string): boolean {
    this.#begin = begin;
    this.#rest = this.#rest.slice(begin.length);
    this.#where = 'call';
    return true;
  }

  /** It is text. Behind what seemed to begin it a call may begin. */
  #fail(): boolean {
    this.#say(this.#begin);
    this.#rest = this.#candidate + this.#rest;
    this.#bare = false;
    return this.#leave('text');
  }

  #leave(where: 'text' | 'after'): boolean {
    this.#candidate = '';
    this.#scanner = null;
    this.#called = false;
    this.#listed &&= where === 'after';
    this.#where = where;
    return true;
  }

  /** Up to the brace of a call, or of the arguments of one whose name stands before them. */
  #readHead(): boolean {
    const { style, names } = this.#options;
    const next = this.#rest.trimStart();
    if (next === '') return false;
    const isBare = this.#begin === '';
    if (next.startsWith('{')) {
      this.#scanner = new CallScanner(isBare ? { accepts: (name) => names.has(name) } : {});
      return this.#take(this.#rest.indexOf('{') + 1);
    }
    if (next.startsWith('[') && !isBare && !this.#listed) {
      this.#listed = true;
      return this.#take(this.#rest.indexOf('[') + 1);
    }
    if (style.name !== 'mistral' || this.#listed) return this.#fail();
    const brace = this.#rest.indexOf('{');
    if (brace < 0 && this.#rest.length <= LONGEST_HEAD) return false;
    const name = HEAD.exec(this.#rest.slice(0, Math.max(brace, 0)))?.[1];
    if (name === undefined) return this.#fail();
    this.#scanner = new CallScanner({ name });
    return this.#take(brace);
  }

  #take(length: number): true {
    this.#candidate += this.#rest.slice(0, length);
    this.#rest = this.#rest.slice(length);
    return true;
  }

  #readCall(scanner: CallScanner): boolean {
    this.#take(scanner.push(this.#rest));
    const args = scanner.takeArguments();
    if (args !== '') this.#call(scanner.name!, args);
    if (scanner.state === 'open') return false;
    if (scanner.state === 'failed' && !this.#called) return this.#fail();
    this.ended = !this.#options.parallel;
    return this.#leave(scanner.state === 'done' ? 'after' : 'text');
  }

  #call(name: string, args: string): void {
    const begins = !this.#called;
    if (begins) {
      this.count += 1;
      this.#called = true;
      this.#space = '';
    }
    this.#candidate = '';
    const index = this.count - 1;
    const last = this.#calls.at(-1);
    if (begins) this.#calls.push({ index, id: newId(this.#options.style), name, arguments: args });
    else if (last?.index !== index) this.#calls.push({ index, arguments: args });
    else this.#calls[this.#calls.length - 1] = { ...last, arguments: last.arguments + args };
  }

  /** What stands behind a call: the end of its list, what ends calls, or what is between two. */
  #readAfter(): boolean {
    const { end, layout } = this.#options.style;
    const next = this.#rest.trimStart();
    if (next === '') return false;
    const pass = (text: string): void => void (this.#rest = next.slice(text.length));
    if (this.#listed) {
      if (next.startsWith(',')) {
        this.#rest = next;
        return this.#try(',');
      }
      this.#listed = false;
      if (next.startsWith(']')) pass(']');
      return true;
    }
    if (end !== '' && next.length < end.length && end.startsWith(next)) return false;
    if (end !== '' && next.startsWith(end)) pass(end);
    this.#bare = layout === 'bare' && next.startsWith(';');
    if (this.#bare) pass(';');
    return this.#leave('text');
  }
}

/** The length of the longest beginning of the one that the other ends with. */
function longestStart(marker: string, text: string): number {
  let length = Math.min(marker.length - 1, text.length);
  while (length > 0 && !text.endsWith(marker.slice(0, length))) length -= 1;
  return length;
}

/** Mistral's templates take no other length. */
const newId = ({ name }: ToolStyle): string => {
  const digits = randomUUID().replaceAll('-', '');
  return name === 'mistral' ? digits.slice(0, 9) : `call_${digits.slice(0, 24)}`;
};
