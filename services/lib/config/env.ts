import { ServingError } from '../errors/serving-error.js';
import { Secret } from './secret.js';

type Variables = Readonly<Record<string, string | undefined>>;

/** What may stand in a header, a log line and a sequence's id. */
const NAME = /^[\w.-]{1,63}$/;

/** Reads typed values out of the environment; empty is unset, and a value that does not parse stops the process. */
export class Environment {
  readonly #variables: Variables;

  constructor(variables: Variables = process.env) {
    this.#variables = variables;
  }

  /** Throws `invalid_config` when unset and without a default. */
  text(name: string, fallback?: string): string {
    const value = this.#read(name) ?? fallback;
    if (value === undefined) throw invalid(name, 'is not set');
    return value;
  }

  /** Up to 63 letters, digits, `.`, `_` and `-`. */
  name(name: string, fallback?: string): string {
    const value = this.text(name, fallback);
    if (!NAME.test(value))
      throw invalid(name, `is "${value}", not 1 to 63 of letters, digits, ".", "_" and "-"`);
    return value;
  }

  /** A whole number in `[min, max]`. */
  integer(name: string, fallback: number, [min, max]: readonly [number, number]): number {
    const text = this.#read(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw invalid(name, `is "${text}", not a whole number from ${min} to ${max}`);
    }
    return value;
  }

  choice<Choice extends string>(name: string, choices: readonly Choice[], fallback: Choice): Choice {
    const text = this.text(name, fallback);
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw invalid(name, `is "${text}", not one of ${choices.join(', ')}`);
    return found;
  }

  /** What stands between commas; empty when unset. */
  list(name: string): readonly string[] {
    const parts = (this.#read(name) ?? '').split(',').map((part) => part.trim());
    return parts.filter((part) => part !== '');
  }

  /** Origins of web pages, such as `https://chat.example:8443`, with commas between them; `*` is all. */
  origins(name: string): readonly string[] {
    const origins = this.list(name);
    const wrong = origins.find((origin) => origin !== '*' && !isOrigin(origin));
    if (wrong === undefined) return origins;
    throw invalid(
      name,
      `has "${wrong}", not an origin such as https://chat.example or http://localhost:3000`,
    );
  }

  /** Null when unset. */
  url(name: string): string | null {
    const text = this.#read(name);
    if (text === undefined) return null;
    if (/^https?:\/\/\S+$/.test(text) && URL.canParse(text)) return text;
    throw invalid(name, `is "${text}", not a URL such as http://127.0.0.1:4318`);
  }

  /** Null when unset. */
  secret(name: string): Secret | null {
    const text = this.#read(name);
    return text === undefined ? null : new Secret(text);
  }

  #read(name: string): string | undefined {
    const value = this.#variables[name];
    return value === '' ? undefined : value;
  }
}

const isOrigin = (text: string): boolean =>
  /^https?:[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;

const invalid = (name: string, problem: string): ServingError =>
  new ServingError('invalid_config', `${name} ${problem}`);
