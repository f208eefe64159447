import { ServingError } from '../errors/serving-error.js';

type Variables = Readonly<Record<string, string | undefined>>;

/** Reads typed values out of the environment; a value that does not parse stops the process. */
export class Environment {
  readonly #variables: Variables;

  constructor(variables: Variables = process.env) {
    this.#variables = variables;
  }

  /** Throws `invalid_config` when unset and without a default. */
  text(name: string, fallback?: string): string {
    const value = this.#variables[name] ?? fallback;
    if (value === undefined) throw invalid(name, 'is not set');
    return value;
  }

  /** A whole number in `[min, max]`. */
  integer(name: string, fallback: number, [min, max]: readonly [number, number]): number {
    const text = this.#variables[name];
    if (text === undefined || text === '') return fallback;
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
}

const invalid = (name: string, problem: string): ServingError =>
  new ServingError('invalid_config', `${name} ${problem}`);
