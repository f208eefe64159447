import { ServingError } from '../../errors/serving-error.js';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A schema, and where it stands in its document: a JSON Pointer (RFC 6901). */
export interface Located {
  readonly schema: Json;
  readonly pointer: string;
}

export const TYPES = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'] as const;
export type Type = (typeof TYPES)[number];

export interface Bound {
  readonly value: number;
  readonly exclusive: boolean;
}

export interface ListFacts {
  readonly prefix: readonly Located[];
  /** Of what comes after the prefix; null is anything. */
  readonly items: Located | null;
}

export interface RecordFacts {
  readonly properties: ReadonlyMap<string, Located>;
  /** Of the other keys; null where the schema does not say. */
  readonly additional: Located | null;
}

/** What one schema without alternatives says of a value, or several together: all of it holds. */
export interface Facts {
  /** `number` has the whole ones too. */
  readonly types: readonly Type[];
  readonly values: readonly Json[] | null;
  readonly lower: Bound | null;
  readonly upper: Bound | null;
  readonly multiples: readonly number[];
  readonly minLength: number;
  readonly maxLength: number | null;
  readonly patterns: readonly string[];
  readonly formats: readonly string[];
  readonly lists: readonly ListFacts[];
  readonly minItems: number;
  readonly maxItems: number | null;
  readonly records: readonly RecordFacts[];
  readonly required: readonly string[];
  readonly minProperties: number;
  readonly maxProperties: number | null;
  /** Keys that no schema speaks of are forbidden. */
  readonly closed: boolean;
}

export const ANYTHING: Facts = {
  types: TYPES,
  values: null,
  lower: null,
  upper: null,
  multiples: [],
  minLength: 0,
  maxLength: null,
  patterns: [],
  formats: [],
  lists: [],
  minItems: 0,
  maxItems: null,
  records: [],
  required: [],
  minProperties: 0,
  maxProperties: null,
  closed: false,
};

/** The alternatives of schemas. */
export interface Alternatives {
  /** Those of all these schemas together: a value is right if it is as one of them says. */
  of(schemas: readonly Located[]): readonly Facts[];
  /** To be said at each look at a part. Throws `unsupported_schema` when there have been too many. */
  spend(): void;
}

/** What both say; null where no value can be both. */
export function both(a: Facts, b: Facts): Facts | null {
  const types = commonTypes(a.types, b.types);
  const values = a.values === null ? b.values : a.values.filter((value) => isAmong(value, b.values));
  if (types.length === 0 || values?.length === 0) return null;
  return {
    types,
    values,
    lower: tighter(a.lower, b.lower, 1),
    upper: tighter(a.upper, b.upper, -1),
    multiples: [...new Set([...a.multiples, ...b.multiples])],
    minLength: Math.max(a.minLength, b.minLength),
    maxLength: least(a.maxLength, b.maxLength),
    patterns: [...new Set([...a.patterns, ...b.patterns])],
    formats: [...new Set([...a.formats, ...b.formats])],
    lists: [...a.lists, ...b.lists],
    minItems: Math.max(a.minItems, b.minItems),
    maxItems: least(a.maxItems, b.maxItems),
    records: [...a.records, ...b.records],
    required: [...new Set([...a.required, ...b.required])],
    minProperties: Math.max(a.minProperties, b.minProperties),
    maxProperties: least(a.maxProperties, b.maxProperties),
    closed: a.closed || b.closed,
  };
}

/** Types that are in both lists; a whole number is a number. */
export function commonTypes(a: readonly Type[], b: readonly Type[]): Type[] {
  const has = (types: readonly Type[], type: Type): boolean =>
    types.includes(type) || (type === 'integer' && types.includes('number'));
  return TYPES.filter((type) => has(a, type) && has(b, type));
}

/** What is said of the value of a key; nothing where it is not spoken of. */
export const schemasOfKey = ({ records }: Facts, name: string): Located[] =>
  records.flatMap(({ properties, additional }) => properties.get(name) ?? additional ?? []);

/** What is said of the item of a list at an index. */
export const schemasOfItem = ({ lists }: Facts, index: number): Located[] =>
  lists.flatMap(({ prefix, items }) => prefix[index] ?? items ?? []);

/** Equal as JSON: the order of keys does not matter. */
export const isEqual = (a: Json, b: Json): boolean => canonical(a) === canonical(b);

const canonicalOf = new WeakMap<readonly Json[], ReadonlySet<string>>();

/** Whether a list has the value; null has every value. Lists are long, and asked often. */
export function isAmong(value: Json, values: readonly Json[] | null): boolean {
  if (values === null) return true;
  const all = canonicalOf.get(values) ?? new Set(values.map(canonical));
  canonicalOf.set(values, all);
  return all.has(canonical(value));
}

const canonical = (value: Json): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    isRecord(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );

export const isRecord = (value: unknown): value is Readonly<Record<string, Json>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const least = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.min(a, b);

/** The one that leaves less above it (sign 1), or below it (−1). */
function tighter(a: Bound | null, b: Bound | null, sign: 1 | -1): Bound | null {
  if (a === null || b === null) return a ?? b;
  const difference = (a.value - b.value) * sign;
  if (difference === 0) return a.exclusive ? a : b;
  return difference > 0 ? a : b;
}

/** A schema that cannot be followed exactly, or is none. */
export const unsupportedSchema = (pointer: string, problem: string): ServingError =>
  new ServingError('unsupported_schema', `${problem}, at #${pointer}`);
