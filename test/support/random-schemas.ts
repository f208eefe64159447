import { isIPv4, isIPv6 } from 'node:net';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';

type Json = unknown;

/** A schema, and what makes instances of it with keys in the order of its properties. */
export interface SchemaCase {
  readonly schema: Json;
  readonly instance: fc.Arbitrary<Json>;
}

/** Judges by another way than ours: libraries and dates instead of patterns. */
const formats = {
  date: (text: string) => text.length === 10 && isDay(text),
  'date-time': (text: string) => isDay(text.slice(0, 10)) && !Number.isNaN(Date.parse(text)),
  time: (text: string) => !Number.isNaN(Date.parse(`2020-01-01T${text}`)),
  duration: /^P(?!$)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?$/,
  email: /^[^\s@]{1,64}@[^\s@.]+(\.[^\s@.]+)+$/,
  hostname: (text: string) =>
    text.length < 254 && text.split('.').every((label) => /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/.test(label)),
  ipv4: (text: string) => isIPv4(text),
  ipv6: (text: string) => isIPv6(text),
  uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  uri: (text: string) => URL.canParse(text),
};

function isDay(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().slice(0, 10) === text;
}

const ajv = new Ajv2020({ strict: false, formats, validateSchema: false, logger: false });

export function validator(schema: Json): (value: Json) => boolean {
  const validate = ajv.compile(schema as object);
  return (value) => validate(value);
}

const text = (constraints: fc.StringConstraints = {}): fc.Arbitrary<string> =>
  fc
    .string({
      unit: fc.oneof(
        fc.constantFrom(...Array.from('abc"\\\n é日🙂')),
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
      ),
      maxLength: 12,
      ...constraints,
    })
    .map((value) => value.replaceAll(/\p{Surrogate}/gu, '\ufffd'));

const PATTERNS: readonly (readonly [string, fc.Arbitrary<string>])[] = [
  ['^[A-Z]{2}-[0-9]{1,4}$', fc.tuple(fc.constantFrom('DE', 'XY'), fc.nat(9999)).map(([a, n]) => `${a}-${n}`)],
  [
    '^(foo|ba[rz])+$',
    fc.array(fc.constantFrom('foo', 'bar', 'baz'), { minLength: 1, maxLength: 4 }).map((all) => all.join('')),
  ],
  [
    'b\\d',
    fc.tuple(text({ maxLength: 4 }), fc.nat(9), text({ maxLength: 4 })).map(([a, n, z]) => `${a}b${n}${z}`),
  ],
  ['^\\p{L}+ ?$', fc.constantFrom('Ä', '日本', 'abc ', 'é')],
  ['^[^"\\\\]*$', fc.constantFrom('', 'x y', '\n', "'")],
  ['^"?\\\\$', fc.constantFrom('\\', '"\\')],
];
const FORMATS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  date: fc.constantFrom('2024-02-29', '1999-12-31'),
  'date-time': fc.constantFrom('2026-11-29T12:00:00Z', '2000-02-29T23:59:59.123+01:00'),
  uuid: fc.uuid(),
  ipv4: fc.ipV4(),
  ipv6: fc.constantFrom('::1', 'fe80::1:2', '1:2:3:4:5:6:7:8', '2001:db8::'),
  email: fc.constantFrom('a@b.co', 'some.body+x@example.com'),
  time: fc.constantFrom('12:30:00Z', '23:59:59.5-05:30'),
  duration: fc.constantFrom('P1D', 'PT5M', 'P1Y2M3DT4H5M6S', 'P3W'),
  hostname: fc.constantFrom('localhost', 'a-b.example.org'),
  uri: fc.constantFrom('http://example.com/a?b=c#d', 'https://x.y:8080'),
};

const always = (schema: Json, instance: fc.Arbitrary<Json>): fc.Arbitrary<SchemaCase> =>
  fc.constant({ schema, instance });

const strings: fc.Arbitrary<SchemaCase> = fc.oneof(
  always({ type: 'string' }, text()),
  fc.tuple(fc.nat(4), fc.nat(8)).map(([minLength, more]) => {
    const maxLength = minLength + more;
    // ajv and JSON Schema count characters, fast-check the units that it was given.
    const instance = fc
      .array(fc.constantFrom(...Array.from('ab"\\é日🙂\t')), { minLength, maxLength })
      .map((all) => all.join(''));
    return { schema: { type: 'string', minLength, maxLength }, instance };
  }),
  fc
    .constantFrom(...PATTERNS)
    .map(([pattern, instance]) => ({ schema: { type: 'string', pattern }, instance })),
  fc
    .constantFrom(...Object.entries(FORMATS))
    .map(([format, instance]) => ({ schema: { type: 'string', format }, instance })),
  fc.nat(6).map((more) => ({
    schema: { type: 'string', pattern: '^(ab|c)*$', minLength: 2, maxLength: 2 + more },
    instance: fc.constantFrom('ab', 'cc'),
  })),
);

const numbers: fc.Arbitrary<SchemaCase> = fc.oneof(
  always({ type: 'integer' }, fc.integer()),
  always(
    { type: 'number' },
    fc.oneof(
      fc.integer(),
      fc.integer().map((value) => value / 64),
      fc.constantFrom(1e-7, 1.5e30),
    ),
  ),
  fc.tuple(fc.integer({ min: -1000, max: 1000 }), fc.nat(1500)).map(([minimum, more]) => {
    const maximum = minimum + more;
    return {
      schema: { type: 'integer', minimum, maximum },
      instance: fc.integer({ min: minimum, max: maximum }),
    };
  }),
  fc.tuple(fc.integer({ min: -4000, max: 4000 }), fc.integer({ min: 2, max: 3000 })).map(([low, more]) => {
    const [from, to] = [low / 8, (low + more) / 8];
    const instance = fc.integer({ min: low + 1, max: low + more - 1 }).map((value) => value / 8);
    return { schema: { type: 'number', exclusiveMinimum: from, exclusiveMaximum: to }, instance };
  }),
  fc.integer({ min: 2, max: 40 }).map((multipleOf) => ({
    schema: { type: 'integer', multipleOf, minimum: -500 },
    instance: fc.nat(100).map((value) => value * multipleOf),
  })),
  fc.integer({ min: -50, max: 50 }).map((bound) => ({
    schema: { type: 'number', maximum: bound / 10 },
    instance: fc
      .nat(500)
      .map((value) => (bound - value) / 10)
      .filter((value) => !String(value).includes('e') && value <= bound / 10),
  })),
);

const KEYS = ['name', 'id', 'a', 'ab', 'value', 'ключ', 'with "quotes"', '日本', '__proto__x', 'items'];

/** Schemas of all kinds that are supported; `#/$defs/tree` may be referred to. */
const { value: anyCase, object: objectCase } = fc.letrec<{ value: SchemaCase; object: SchemaCase }>(
  (tie) => ({
    value: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      fc.oneof(
        strings,
        numbers,
        always({ type: 'boolean' }, fc.boolean()),
        always({ type: 'null' }, fc.constant(null)),
      ),
      fc
        .uniqueArray(fc.oneof(text({ maxLength: 5 }), fc.integer(), fc.constant(null)), {
          minLength: 1,
          maxLength: 6,
        })
        .map((values) => ({
          schema: { enum: values },
          instance: fc.constantFrom(...values),
        })),
      tie('object'),
      fc.tuple(tie('value'), fc.nat(2), fc.nat(3)).map(([{ schema, instance }, minItems, more]) => ({
        schema: { type: 'array', items: schema, minItems, maxItems: minItems + more },
        instance: fc.array(instance, { minLength: minItems, maxLength: minItems + more }),
      })),
      fc.tuple(tie('value'), tie('value'), tie('value')).map(([first, second, rest]) => ({
        schema: {
          type: 'array',
          prefixItems: [first.schema, second.schema],
          items: rest.schema,
          minItems: 1,
        },
        instance: fc.oneof(
          fc.tuple(first.instance),
          fc.tuple(first.instance, second.instance, rest.instance),
        ),
      })),
      fc.tuple(tie('value'), tie('value')).map(([left, right]) => ({
        schema: { anyOf: [left.schema, right.schema] },
        instance: fc.oneof(left.instance, right.instance),
      })),
      fc.tuple(strings, numbers).map(([left, right]) => ({
        schema: { oneOf: [left.schema, right.schema, { type: 'null' }] },
        instance: fc.oneof(left.instance, right.instance),
      })),
      always(
        { $ref: '#/$defs/tree' },
        fc.constantFrom({ value: 1, children: [] }, { value: 2, children: [{ value: 0, children: [] }] }),
      ),
    ),
    object: fc
      .tuple(
        fc.uniqueArray(fc.tuple(fc.constantFrom(...KEYS), tie('value'), fc.boolean()), {
          selector: ([key]) => key,
          maxLength: 5,
        }),
        fc.nat(2),
        tie('value'),
      )
      .map(([entries, openness, other]) => {
        const properties = Object.fromEntries(entries.map(([key, { schema }]) => [key, schema]));
        const required = entries.flatMap(([key, , isRequired]) => (isRequired ? [key] : []));
        const additionalProperties = [false, true, other.schema][openness];
        const pairs = entries.map(([key, { instance }, isRequired]) =>
          fc.tuple(fc.constant(key), instance, isRequired ? fc.constant(true) : fc.boolean()),
        );
        const extra =
          openness === 2
            ? fc.array(fc.tuple(fc.constantFrom('other', 'nam', 'name2', ''), other.instance), {
                maxLength: 2,
              })
            : fc.constant([]);
        return {
          schema: { type: 'object', properties, required, additionalProperties },
          instance: fc
            .tuple(fc.tuple(...pairs), extra)
            .map(([chosen, others]) =>
              Object.fromEntries([
                ...chosen.flatMap(([key, value, is]) => (is ? [[key, value] as const] : [])),
                ...others,
              ]),
            ),
        };
      }),
  }),
);

/** What whole documents are: with definitions, one of which is within itself. */
const asDocument = ({ schema, instance }: SchemaCase): SchemaCase => ({
  schema: {
    ...(schema as object),
    $defs: {
      tree: {
        type: 'object',
        properties: {
          value: { type: 'integer', minimum: 0 },
          children: { type: 'array', items: { $ref: '#/$defs/tree' } },
        },
        required: ['value', 'children'],
        additionalProperties: false,
      },
    },
  },
  instance,
});

export const schemaCases: fc.Arbitrary<SchemaCase> = anyCase.map(asDocument);

/** For a model that is small and may not find the end of what has none. */
export const boundedSchemas: fc.Arbitrary<Json> = schemaCases.map(({ schema }) => bounded(schema));
/** Those of a tool's arguments. */
export const boundedArguments: fc.Arbitrary<Json> = objectCase.map((each) =>
  bounded(asDocument(each).schema),
);

/** The same with an end to texts, lists and keys. */
function bounded(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(bounded);
  if (typeof schema !== 'object' || schema === null) return schema;
  const parts: Record<string, Json> = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, key === 'enum' ? value : bounded(value)]),
  );
  if (parts['type'] === 'string' && !('format' in parts)) return { maxLength: 16, ...parts };
  if (parts['type'] === 'array') return { maxItems: 3, ...parts };
  return parts['type'] === 'object' ? { ...parts, additionalProperties: false } : parts;
}
