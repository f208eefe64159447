import { ServingError } from '../../errors/serving-error.js';
import type { Form } from '../../grammar/source.js';

type Fields = Readonly<Record<string, unknown>>;

/** What the answer has to be, and the field that says so. */
export interface AskedForm {
  readonly form: Form;
  /** To blame where the form turns out to be none. */
  readonly param: string;
}

/** Reads the value of a field; null asks for nothing. */
type Reader = (value: unknown, param: string) => AskedForm | null;

const asSchema: Reader = (value, param) => ({
  form: { kind: 'json_schema', schema: schemaOf(value, param) },
  param,
});
const asRegex: Reader = (value, param) => ofText(value, param, (pattern) => ({ kind: 'regex', pattern }));
const asGrammar: Reader = (value, param) => ofText(value, param, (grammar) => ({ kind: 'grammar', grammar }));

/** vLLM's, within `structured_outputs`, and with `guided_` before them as they were called up to its version 0.11. */
const STRUCTURED: Readonly<Record<string, Reader>> = {
  json: asSchema,
  regex: asRegex,
  choice: asChoice,
  grammar: asGrammar,
  json_object: (value, param) => (value === true ? { form: { kind: 'json_object' }, param } : null),
};

/** What binds an answer to a form, as the servers call it whose clients we take. */
const FIELDS: Readonly<Record<string, Reader>> = {
  response_format: formOfFormat,
  structured_outputs: asStructured,
  ...Object.fromEntries(Object.entries(STRUCTURED).map(([name, reader]) => [`guided_${name}`, reader])),
  // llama.cpp; SGLang's json_schema is a text
  grammar: asGrammar,
  json_schema: asSchema,
  // SGLang
  regex: asRegex,
  ebnf: asGrammar,
  // Ollama
  format: (value, param) =>
    value === 'json' ? { form: { kind: 'json_object' }, param } : asSchema(value, param),
};

/** Whitespace that is not ours, and grammars that only other engines read. */
const REFUSED = ['structural_tag', 'whitespace_pattern', 'guided_whitespace_pattern'];

/**
 * The form that a request asks for, if any. Throws `invalid_value` where two fields ask for one, or one is not as its server
 * wants it, and `unsupported_parameter` for what we cannot follow. Whether a schema or a grammar is one shows when it is converted.
 */
export function readForm(request: Fields): AskedForm | null {
  refuse(request, '');
  return onlyOne(formsOf(request, FIELDS, ''));
}

function formsOf(fields: Fields, readers: Readonly<Record<string, Reader>>, prefix: string): AskedForm[] {
  return Object.entries(readers).flatMap(([name, read]) => {
    const value = Object.hasOwn(fields, name) ? (fields[name] ?? null) : null;
    return value === null || value === '' ? [] : (read(value, prefix + name) ?? []);
  });
}

function onlyOne(asked: readonly AskedForm[]): AskedForm | null {
  const [first, second] = asked;
  if (second === undefined) return first ?? null;
  throw wrong(second.param, `${first!.param} and ${second.param} both ask for a form: send one of them`);
}

function refuse(fields: Fields, prefix: string): void {
  const refused = REFUSED.find((name) => Object.hasOwn(fields, name) && (fields[name] ?? '') !== '');
  if (refused === undefined) return;
  throw new ServingError('unsupported_parameter', `${prefix}${refused} is not supported`, {
    param: prefix + refused,
  });
}

/** `response_format` of chats, `text.format` of Responses: a schema is in a field of its own, or beside the type. */
export function formOfFormat(value: unknown, param: string): AskedForm | null {
  const format = recordOf(value, param);
  switch (format['type']) {
    case 'text':
      return null;
    case 'json_object':
      // llama.cpp's
      if ((format['schema'] ?? null) !== null) return asSchema(format['schema'], `${param}.schema`);
      return { form: { kind: 'json_object' }, param };
    case 'json_schema': {
      const [holder, at] =
        format['json_schema'] === undefined
          ? [format, param]
          : [recordOf(format['json_schema'], `${param}.json_schema`), `${param}.json_schema`];
      return asSchema(holder['schema'], `${at}.schema`);
    }
    default:
      throw wrong(`${param}.type`, `${param}.type: expected text, json_object or json_schema`);
  }
}

function asStructured(value: unknown, param: string): AskedForm | null {
  const fields = recordOf(value, param);
  refuse(fields, `${param}.`);
  return onlyOne(formsOf(fields, STRUCTURED, `${param}.`));
}

function asChoice(value: unknown, param: string): AskedForm {
  const isTexts =
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((each) => typeof each === 'string' && each !== '');
  if (!isTexts) throw wrong(param, `${param}: expected a list of texts, none empty`);
  return { form: { kind: 'choice', choices: value as string[] }, param };
}

function ofText(value: unknown, param: string, form: (text: string) => Form): AskedForm {
  if (typeof value !== 'string') throw wrong(param, `${param}: expected a text`);
  return { form: form(value), param };
}

/** A schema, or the text of one. */
function schemaOf(value: unknown, param: string): unknown {
  if (typeof value !== 'string') {
    if (typeof value === 'boolean' || isRecord(value)) return value;
    throw wrong(param, `${param}: expected a JSON schema`);
  }
  try {
    return JSON.parse(value) as unknown;
  } catch {
    throw wrong(param, `${param}: expected a JSON schema, or the text of one`);
  }
}

function recordOf(value: unknown, param: string): Fields {
  if (isRecord(value)) return value;
  throw wrong(param, `${param}: expected an object`);
}

const isRecord = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const wrong = (param: string, problem: string): ServingError =>
  new ServingError('invalid_value', problem, { param });
