import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { ServingError } from '../errors/serving-error.js';
import { MESH_NAME } from './app-id.js';

/** That of the process, or what a test puts in its place. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The values of a schema whose keys are variables; empty is unset. `ending` is what the variables are called besides, such as
 * `__QWEN`. Throws `invalid_config` for the first that is missing or wrong: messages of schemas go on after `NAME is "…", `.
 */
export function read<Schema extends z.ZodObject>(
  schema: Schema,
  environment: Environment,
  ending = '',
): z.output<Schema> {
  const texts = Object.keys(schema.shape).map((name) => [name, environment[name + ending]] as const);
  const set = Object.fromEntries(texts.filter(([, text]) => text !== undefined && text !== ''));
  const parsed = schema.safeParse(set, { reportInput: true });
  if (parsed.success) return parsed.data;

  const { path, input, message } = parsed.error.issues[0]!;
  const text = set[String(path[0])];
  const name = String(path[0]) + ending;
  if (text === undefined) throw invalidConfig(name, 'is not set');
  const isItem = path.length > 1;
  throw invalidConfig(name, `${isItem ? 'has' : 'is'} "${isItem ? String(input) : text}", ${message}`);
}

const invalidConfig = (name: string, problem: string): ServingError =>
  new ServingError('invalid_config', `${name} ${problem}`);

/** A whole number in `[min, max]`. */
export const integer = (min: number, max: number) =>
  z
    .string()
    .transform(Number)
    .refine(
      (value) => Number.isSafeInteger(value) && min <= value && value <= max,
      `not a whole number from ${min} to ${max}`,
    );

/** A number in `[min, max]`. */
export const decimal = (min: number, max: number) =>
  z
    .string()
    .transform(Number)
    .refine((value) => min <= value && value <= max, `not a number from ${min} to ${max}`);

export const choice = <const Choices extends readonly [string, ...string[]]>(...choices: Choices) =>
  z.enum(choices, `not one of ${choices.join(', ')}`);

/** What may stand in a header, a log line and a sequence's id. */
export const name = z.string().regex(/^[\w.-]{1,63}$/, 'not 1 to 63 of letters, digits, ".", "_" and "-"');

/** What stands between commas; nothing when unset. */
export const listOf = (item: z.ZodType<string, string>) =>
  z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .pipe(z.array(item))
    .default([]);

/** The same, and nothing twice. */
export const eachOnce = (item: z.ZodType<string, string>) =>
  listOf(item).refine((names) => new Set(names).size === names.length, 'which has a name twice');

/** Of a model, as clients may call it. */
export const modelName = z
  .string()
  .regex(/^[!-~]{1,128}$/, 'not 1 to 128 printable ASCII characters without spaces');

/** Of the mesh of a further model, as it stands in app-ids and at the end of variables. */
export const meshName = z
  .string()
  .regex(MESH_NAME, 'not 1 to 32 of small letters, digits and "-" that begin with a letter');

/** The origin of a web page, or `*` for all. */
export const origin = z
  .string()
  .refine(
    (text) => text === '*' || isOrigin(text),
    'not an origin such as https://chat.example or http://localhost:3000',
  );

const isOrigin = (text: string): boolean =>
  /^https?:[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;

const LOOPBACK = /^(?:(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/;

/** Whether a name or an address is always this machine's own. */
export const isLoopback = (host: string): boolean => LOOPBACK.test(host.toLowerCase());

/** Null when unset. */
export const url = z
  .string()
  .refine(
    (text) => /^https?:\/\/\S+$/.test(text) && URL.canParse(text),
    'not a URL such as http://127.0.0.1:4318',
  )
  .nullable()
  .default(null);

/** Where whatever keeps traces shows one. */
export const traceUrl = z
  .string()
  .regex(/^https?:\/\/[^{}]+\{trace\}[^{}]*$/, 'not a URL with {trace} in it');

/** A value that must not be read by others: printed, logged or made JSON of, it is `[secret]`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  /** Takes as long whatever differs. */
  equals(shown: string): boolean {
    return timingSafeEqual(digest(this.#value), digest(shown));
  }

  toJSON(): string {
    return '[secret]';
  }

  toString(): string {
    return this.toJSON();
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Undefined when unset. */
export const secret = z
  .string()
  .transform((text) => new Secret(text))
  .optional();
