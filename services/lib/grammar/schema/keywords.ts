import { below } from './document.js';
import {
  ANYTHING,
  isEqual,
  isRecord,
  TYPES,
  unsupportedSchema,
  type Bound,
  type Facts,
  type Json,
  type Located,
  type RecordFacts,
  type ListFacts,
  type Type,
} from './facts.js';

type Keywords = Readonly<Record<string, Json>>;

/** What a draft of JSON Schema asserts and we cannot, with the values that assert nothing. What no draft knows is a note. */
const REFUSED: Readonly<Record<string, (value: Json, schema: Keywords) => boolean>> = {
  not: (value) => value === false,
  if: (_, schema) => !('then' in schema) && !('else' in schema),
  contains: () => false,
  uniqueItems: (value, { maxItems }) => value === false || (typeof maxItems === 'number' && maxItems < 2),
  patternProperties: isNothing,
  propertyNames: (value) => value === true || isNothing(value),
  dependencies: isNothing,
  dependentRequired: isNothing,
  dependentSchemas: isNothing,
  unevaluatedItems: (value) => value === true,
  $dynamicRef: () => false,
  $recursiveRef: () => false,
  // Draft 3
  extends: () => false,
  disallow: () => false,
  divisibleBy: () => false,
};

function isNothing(value: Json): boolean {
  return isRecord(value) && Object.keys(value).length === 0;
}

/** What a schema says itself, without what it refers to or combines. Throws `unsupported_schema`. */
export function readKeywords({ schema, pointer }: Located): Facts {
  if (!isRecord(schema)) throw unsupportedSchema(pointer, 'a schema is an object or a boolean');
  for (const [keyword, isHarmless] of Object.entries(REFUSED)) {
    if (Object.hasOwn(schema, keyword) && !isHarmless(schema[keyword]!, schema)) {
      throw unsupportedSchema(below(pointer, keyword), `${keyword} is not supported`);
    }
  }
  if (pointer !== '' && typeof schema['$id'] === 'string')
    throw unsupportedSchema(pointer, '$id below the root is not supported');
  const read = new Reader(schema, pointer);
  return {
    ...ANYTHING,
    types: read.types(),
    values: read.values(),
    lower: read.bound('minimum', 'exclusiveMinimum', 1),
    upper: read.bound('maximum', 'exclusiveMaximum', -1),
    multiples: read.multiples(),
    minLength: read.count('minLength') ?? 0,
    maxLength: read.count('maxLength'),
    patterns: read.strings('pattern'),
    formats: read.strings('format'),
    lists: read.lists(),
    minItems: read.count('minItems') ?? 0,
    maxItems: read.count('maxItems'),
    records: read.records(),
    required: read.required(),
    minProperties: read.count('minProperties') ?? 0,
    maxProperties: read.count('maxProperties'),
    closed: schema['unevaluatedProperties'] === false,
  };
}

class Reader {
  readonly #schema: Keywords;
  readonly #pointer: string;

  constructor(schema: Keywords, pointer: string) {
    this.#schema = schema;
    this.#pointer = pointer;
  }

  types(): readonly Type[] {
    const type = this.#value('type');
    if (type === undefined) return TYPES;
    const types = (Array.isArray(type) ? type : [type]) as Json[];
    const stranger = types.find((each) => !TYPES.includes(each as Type));
    if (stranger !== undefined)
      throw this.#problem('type', `${JSON.stringify(stranger).slice(0, 40)} is no type`);
    return types as Type[];
  }

  values(): readonly Json[] | null {
    const [constant, choices] = [this.#value('const'), this.#value('enum')];
    if (choices !== undefined && !Array.isArray(choices)) throw this.#problem('enum', 'enum is a list');
    if (constant === undefined) return choices ?? null;
    return ((choices ?? [constant]) as readonly Json[]).some((value) => isEqual(value, constant))
      ? [constant]
      : [];
  }

  /** The tighter of an inclusive bound and an exclusive one, which in draft 4 is a flag. */
  bound(inclusive: string, exclusive: string, sign: 1 | -1): Bound | null {
    const [at, beyond] = [this.#number(inclusive), this.#value(exclusive)];
    if (beyond === true || beyond === false) return at === null ? null : { value: at, exclusive: beyond };
    const strict = this.#number(exclusive);
    if (at === null) return strict === null ? null : { value: strict, exclusive: true };
    if (strict === null || (at - strict) * sign > 0) return { value: at, exclusive: false };
    return { value: strict, exclusive: true };
  }

  multiples(): number[] {
    const multiple = this.#number('multipleOf');
    if (multiple === null) return [];
    if (Number.isInteger(multiple) && multiple >= 1 && multiple <= 1_000) return [multiple];
    throw this.#problem('multipleOf', 'multipleOf is supported for whole numbers from 1 to 1000');
  }

  count(keyword: string): number | null {
    const count = this.#number(keyword);
    if (count === null || (Number.isInteger(count) && count >= 0)) return count;
    throw this.#problem(keyword, `${keyword} is a whole number from 0`);
  }

  strings(keyword: string): string[] {
    const value = this.#value(keyword);
    if (value === undefined) return [];
    if (typeof value !== 'string') throw this.#problem(keyword, `${keyword} is a text`);
    return [value];
  }

  required(): string[] {
    const required = this.#value('required') ?? [];
    if (Array.isArray(required) && required.every((name) => typeof name === 'string')) return required;
    // Draft 3 has it as a flag of a property, which nothing but its object could heed.
    throw this.#problem('required', 'required is a list of names');
  }

  /** `items` with a list is what `prefixItems` was called before 2020, and `additionalItems` what is `items` now. */
  lists(): ListFacts[] {
    const [prefix, items, additional] = ['prefixItems', 'items', 'additionalItems'].map((name) =>
      this.#value(name),
    );
    const old = Array.isArray(items);
    const first = old ? items : (prefix ?? []);
    if (!Array.isArray(first)) throw this.#problem('prefixItems', 'prefixItems is a list');
    const [name, rest] = old ? ['additionalItems', additional] : ['items', items];
    if (first.length === 0 && rest === undefined) return [];
    const from = old ? 'items' : 'prefixItems';
    const located = first.map((schema: Json, index) => ({
      schema,
      pointer: below(this.#pointer, from, index),
    }));
    return [{ prefix: located, items: rest === undefined ? null : this.#at(name, rest) }];
  }

  records(): RecordFacts[] {
    const [properties, additional] = [this.#value('properties') ?? {}, this.#value('additionalProperties')];
    if (!isRecord(properties)) throw this.#problem('properties', 'properties is an object');
    const entries = Object.entries(properties).map(([name, schema]) => {
      return [name, { schema, pointer: below(this.#pointer, 'properties', name) }] as const;
    });
    if (entries.length === 0 && additional === undefined) return [];
    return [
      {
        properties: new Map(entries),
        additional: additional === undefined ? null : this.#at('additionalProperties', additional),
      },
    ];
  }

  #number(keyword: string): number | null {
    const value = this.#value(keyword);
    if (value === undefined) return null;
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw this.#problem(keyword, `${keyword} is a number`);
    return value;
  }

  #value(keyword: string): Json | undefined {
    return Object.hasOwn(this.#schema, keyword) ? this.#schema[keyword] : undefined;
  }

  #at(keyword: string, schema: Json): Located {
    return { schema, pointer: below(this.#pointer, keyword) };
  }

  #problem(keyword: string, problem: string): Error {
    return unsupportedSchema(below(this.#pointer, keyword), problem);
  }
}
