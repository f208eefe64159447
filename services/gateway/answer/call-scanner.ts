/** What an object may have that is a call without anything else to tell it by. */
const FIELDS: ReadonlySet<string> = new Set(['name', 'arguments', 'parameters', 'id', 'type']);
const ARGUMENTS: ReadonlySet<string> = new Set(['arguments', 'parameters']);
const NO_ARGUMENTS = '{}';

/** Tells where a key or a value of an object ends: at the comma, the colon or the bracket that is no part of it. */
class Member {
  depth = 0;
  #inString = false;
  #escaped = false;

  takes(character: string): boolean {
    if (this.#inString) {
      this.#inString = this.#escaped || character !== '"';
      this.#escaped = !this.#escaped && character === '\\';
      return true;
    }
    if (this.depth === 0 && ',:}]'.includes(character)) return false;
    this.#inString = character === '"';
    if (character === '{' || character === '[') this.depth += 1;
    if (character === '}' || character === ']') this.depth -= 1;
    return true;
  }
}

interface ScannerOptions {
  /** Where nothing but the object itself tells that it is a call: it has a call's fields only, and such a name. */
  readonly accepts?: (name: string) => boolean;
  /** The name that stood before the arguments, which are then all that is read. */
  readonly name?: string;
}

/**
 * Reads one call as it comes, `{"name": …, "arguments": {…}}` in any order, a character once. What is wrong inside the
 * arguments is for who gets them to find; what is wrong around them ends the call.
 */
export class CallScanner {
  /** `failed`: it is no call, or does not go on as one. */
  state: 'open' | 'done' | 'failed' = 'open';
  /** Null until it is known. */
  name: string | null;
  readonly #options: ScannerOptions;
  /** What is being read, a key or the value of the last one. */
  #member = new Member();
  #key: string | null;
  #text = '';
  /** Null until there are any. */
  #arguments: string | null = null;
  #streams = false;

  /** Begins behind the brace of the call, or before that of its arguments where the name has been read. */
  constructor(options: ScannerOptions = {}) {
    this.#options = options;
    this.name = options.name ?? null;
    this.#key = options.name === undefined ? null : 'arguments';
  }

  /** Reads up to the end of the call, and not what it fails at; returns how many characters it took. */
  push(text: string): number {
    for (let at = 0; at < text.length; at += 1) {
      if (this.state === 'open') this.#next(text[at]!);
      if (this.state === 'failed') return at;
      if (this.state === 'done') return at + 1;
    }
    return text.length;
  }

  /** What has come of the arguments since it was last asked, once the name is known. */
  takeArguments(): string {
    if (this.name === null || this.#arguments === null) return '';
    const taken = this.#arguments;
    this.#arguments = '';
    return taken;
  }

  #next(character: string): void {
    const { depth } = this.#member;
    if (this.#member.takes(character)) this.#read(character, depth === 0 && this.#member.depth === 0);
    else if (character === ':') this.#endKey();
    else if (character === ']') this.state = 'failed';
    else this.#endValue(character === '}');
  }

  /** `between`: outside of the brackets of a value. */
  #read(character: string, between: boolean): void {
    if (!this.#streams && character === '{' && this.#text.trim() === '' && this.#isArguments()) {
      this.#streams = true;
    }
    if (!this.#streams) this.#text += character;
    else if (!between) this.#arguments = (this.#arguments ?? '') + character;
    else if (character.trim() !== '') this.state = 'failed';
    if (this.#streams && this.#member.depth === 0 && this.#options.name !== undefined) this.state = 'done';
  }

  #isArguments(): boolean {
    return this.#key !== null && ARGUMENTS.has(this.#key) && this.#arguments === null;
  }

  #endKey(): void {
    const key = this.#key === null ? stringOf(this.#text) : null;
    if (key === null || (this.#options.accepts && !FIELDS.has(key))) this.state = 'failed';
    this.#begin(key);
  }

  #endValue(isLast: boolean): void {
    if (this.#key === 'name') this.#endName();
    else if (this.#isArguments()) this.#endArguments();
    else if (this.#key === null) this.state = 'failed';
    if (isLast && this.state === 'open') {
      this.state = this.name === null ? 'failed' : 'done';
      this.#arguments ??= NO_ARGUMENTS;
    }
    this.#begin(null);
  }

  #endName(): void {
    const name = stringOf(this.#text);
    const { accepts = () => true } = this.#options;
    if (name === null || name === '' || this.name !== null || !accepts(name)) this.state = 'failed';
    else this.name = name;
  }

  #endArguments(): void {
    this.#arguments = argumentsOf(this.#text);
    if (this.#arguments === null) this.state = 'failed';
  }

  #begin(key: string | null): void {
    this.#member = new Member();
    this.#key = key;
    this.#text = '';
    this.#streams = false;
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function stringOf(json: string): string | null {
  const value = parsed(json);
  return typeof value === 'string' ? value : null;
}

/** Where they are not written as the object that they are: some models write its text, or that there are none. */
function argumentsOf(json: string): string | null {
  const text = stringOf(json)?.trim() ?? json.trim();
  if (text === '' || text === 'null') return NO_ARGUMENTS;
  return text.startsWith('{') && parsed(text) !== undefined ? text : null;
}
