import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { sourceOfForm } from '../../../services/lib/grammar/source.js';
import { compiled, walk } from '../../support/grammar.js';
import { validator } from '../../support/random-schemas.js';

/**
 * The kinds of schemas that JSONSchemaBench (Geng et al. 2025) collected: function calls, snowplow events, Kubernetes
 * objects, configuration files, schemas found on GitHub; in our own words, each with what it is about.
 */
const supported: Readonly<Record<string, unknown>> = {
  'a function call': call(
    { city: { type: 'string' }, unit: { type: 'string', enum: ['C', 'F'], default: 'C' } },
    ['city'],
  ),
  'a call without parameters': { type: 'object', properties: {} },
  'a call with a list': call({ ids: { type: 'array', items: { type: 'integer' }, description: 'which' } }, [
    'ids',
  ]),
  'a call with a nested record': call(
    { at: { type: 'object', properties: { lat: { type: 'number' }, lon: { type: 'number' } } } },
    [],
  ),
  'a pydantic model': {
    $defs: {
      Item: {
        properties: {
          name: { title: 'Name', type: 'string' },
          price: { anyOf: [{ type: 'number' }, { type: 'null' }], default: null, title: 'Price' },
        },
        required: ['name'],
        title: 'Item',
        type: 'object',
      },
    },
    properties: { items: { items: { $ref: '#/$defs/Item' }, title: 'Items', type: 'array' } },
    required: ['items'],
    title: 'Order',
    type: 'object',
  },
  'a zod union by a discriminator': {
    oneOf: [
      {
        type: 'object',
        properties: { kind: { const: 'circle' }, radius: { type: 'number' } },
        required: ['kind', 'radius'],
        additionalProperties: false,
      },
      {
        type: 'object',
        properties: { kind: { const: 'square' }, side: { type: 'number' } },
        required: ['kind', 'side'],
        additionalProperties: false,
      },
    ],
  },
  'a snowplow event': {
    $schema: 'http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#',
    self: { vendor: 'com.acme', name: 'click', format: 'jsonschema', version: '1-0-0' },
    type: 'object',
    properties: {
      targetUrl: { type: 'string', minLength: 1, maxLength: 4096 },
      count: { type: ['integer', 'null'], minimum: 0, maximum: 65_535 },
    },
    required: ['targetUrl'],
    additionalProperties: false,
  },
  'a Kubernetes object': {
    type: 'object',
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string', enum: ['ConfigMap'] },
      metadata: { $ref: '#/definitions/meta' },
      data: { type: 'object', additionalProperties: { type: 'string' } },
      immutable: { type: ['boolean', 'null'] },
    },
    definitions: {
      meta: {
        type: 'object',
        properties: {
          name: { type: 'string', pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', maxLength: 63 },
          labels: { type: 'object', additionalProperties: { type: 'string' } },
        },
      },
    },
    required: ['kind'],
  },
  'an int-or-string': {
    anyOf: [
      { type: 'integer', format: 'int32' },
      { type: 'string', format: 'int-or-string' },
    ],
  },
  'a package manifest': {
    type: 'object',
    properties: {
      name: {
        type: 'string',
        pattern: '^(?:@[a-z0-9-*~][a-z0-9-*._~]*/)?[a-z0-9-~][a-z0-9-._~]*$',
        maxLength: 214,
      },
      version: { type: 'string' },
      dependencies: { $ref: '#/definitions/dependency' },
      private: { oneOf: [{ type: 'boolean' }, { enum: ['false', 'true'] }] },
    },
    definitions: { dependency: { type: 'object', additionalProperties: { type: 'string' } } },
  },
  'a tree': {
    $id: 'https://example.com/tree',
    $ref: '#/$defs/node',
    $defs: {
      node: {
        type: 'object',
        properties: { value: true, children: { type: 'array', items: { $ref: '#/$defs/node' } } },
        required: ['value'],
      },
    },
  },
  'a linked list': {
    type: 'object',
    properties: { value: { type: 'integer' }, next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } },
    required: ['value', 'next'],
  },
  'an expression': {
    $ref: '#/definitions/expression',
    definitions: {
      expression: { anyOf: [{ type: 'number' }, { $ref: '#/definitions/binary' }] },
      binary: {
        type: 'object',
        properties: {
          op: { enum: ['+', '-'] },
          left: { $ref: '#/definitions/expression' },
          right: { $ref: '#/definitions/expression' },
        },
        required: ['op', 'left', 'right'],
        additionalProperties: false,
      },
    },
  },
  'a base with an extension': {
    allOf: [
      { type: 'object', properties: { id: { type: 'string', format: 'uuid' } }, required: ['id'] },
      { properties: { at: { type: 'string', format: 'date-time' } }, required: ['at'] },
    ],
  },
  'one of two required keys': {
    type: 'object',
    properties: { a: { type: 'integer' }, b: { type: 'integer' } },
    anyOf: [{ required: ['a'] }, { required: ['b'] }],
  },
  'a tuple of draft 7': {
    type: 'array',
    items: [{ type: 'number' }, { type: 'string' }],
    additionalItems: false,
    minItems: 2,
  },
  'a tuple of 2020': {
    type: 'array',
    prefixItems: [{ type: 'number' }, { enum: ['x'] }],
    items: { type: 'boolean' },
  },
  'bounds of draft 4': { type: 'number', minimum: 0, exclusiveMinimum: true, maximum: 100 },
  'a percentage': { type: 'number', minimum: 0, maximum: 100 },
  'a port': { type: 'integer', minimum: 1, maximum: 65_535 },
  'a colour': { type: 'string', pattern: '^#([0-9a-fA-F]{3}){1,2}$' },
  'a semantic version': { type: 'string', pattern: '^\\d+\\.\\d+\\.\\d+(-[0-9A-Za-z.-]+)?$' },
  'a telephone number': { type: 'string', pattern: '^\\+?[0-9 ()-]{7,20}$', minLength: 7 },
  'a list that is not empty': { type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } },
  'a map that is not empty': { type: 'object', additionalProperties: { type: 'integer' }, minProperties: 1 },
  'a matrix': {
    type: 'array',
    items: { type: 'array', items: { type: 'number' }, minItems: 3, maxItems: 3 },
    maxItems: 3,
  },
  'constants only': {
    type: 'object',
    properties: { version: { const: 2 } },
    required: ['version'],
    additionalProperties: false,
  },
  'an enumeration of many kinds': { enum: ['auto', 0, 1.5, null, true, ['x'], { y: 1 }] },
  'an enumeration narrowed': { type: 'string', enum: ['a', 'b', 3], pattern: '^a' },
  'the empty schema': {},
  true: true,
  'any object': { type: 'object' },
  'unicode names': {
    type: 'object',
    properties: {
      größe: { type: 'number' },
      名前: { type: 'string' },
      'a/b~c': { $ref: '#/properties/gr%C3%B6%C3%9Fe' },
    },
    required: ['名前', 'a/b~c'],
  },
  'closed as a whole': { type: 'object', properties: { a: { type: 'null' } }, unevaluatedProperties: false },
  'a multiple': { type: 'integer', multipleOf: 5, minimum: 0, maximum: 60 },
  'an anchor': { $ref: '#here', $defs: { x: { $anchor: 'here', type: 'boolean' } } },
  'notes of OpenAPI': {
    type: 'object',
    properties: { id: { type: 'string', example: 'x', deprecated: true, xml: { name: 'id' } } },
    externalDocs: { url: 'x' },
  },
};

/** What older drafts say, in the words of the draft that ajv judges by. */
const inNewerWords: Readonly<Record<string, unknown>> = {
  'a tuple of draft 7': {
    type: 'array',
    prefixItems: [{ type: 'number' }, { type: 'string' }],
    items: false,
    minItems: 2,
  },
  'bounds of draft 4': { type: 'number', exclusiveMinimum: 0, maximum: 100 },
};

function call(properties: Readonly<Record<string, unknown>>, required: readonly string[]) {
  return { type: 'object', properties, required };
}

/** With the keyword that the message names. */
const refused: readonly (readonly [keyword: string, schema: unknown])[] = [
  ['not', { type: 'string', not: { const: 'x' } }],
  ['if', { if: { required: ['a'] }, then: { required: ['b'] } }],
  ['uniqueItems', { type: 'array', items: { type: 'string' }, uniqueItems: true }],
  ['contains', { type: 'array', contains: { type: 'integer' } }],
  ['patternProperties', { type: 'object', patternProperties: { '^x-': true } }],
  ['propertyNames', { type: 'object', propertyNames: { pattern: '^a' } }],
  ['dependentRequired', { type: 'object', dependentRequired: { a: ['b'] } }],
  ['multipleOf', { type: 'number', multipleOf: 0.01 }],
  ['minProperties', { type: 'object', additionalProperties: true, minProperties: 2 }],
  ['$ref', { $ref: 'https://example.com/other.json' }],
  ['$ref', { $ref: '#/$defs/missing' }],
  ['oneOf', { oneOf: [{ type: 'integer' }, { type: 'number' }] }],
  ['refers to itself', { anyOf: [{ $ref: '#' }, { type: 'null' }] }],
  ['format', { type: 'string', format: 'uri-template' }],
  ['(?=', { type: 'string', pattern: '^(?=.*[0-9]).{8,}$' }],
  ['\\\\b', { type: 'string', pattern: '\\bword\\b' }],
  ['type', { type: 'text' }],
  [
    'unevaluatedProperties',
    { allOf: [{ properties: { a: true }, unevaluatedProperties: false }, { properties: { b: true } }] },
  ],
];

describe('the kinds of schemas that people have', () => {
  const kinds = Object.entries(supported);

  it.each(kinds)('%s', (kind, schema) => {
    const constraint = compiled({ kind: 'json_schema', schema });
    const isRight = validator(inNewerWords[kind] ?? schema);
    let state = 7;
    const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    let ended = 0;
    for (let run = 0; run < 8; run++) {
      const { text, ended: whole } = walk(constraint.matcher(), random);
      if (!whole) continue;
      ended += 1;
      expect([text, isRight(JSON.parse(text))]).toEqual([text, true]);
    }
    expect(ended).toBeGreaterThan(0);
  });

  it.each(refused)('refuses %s by name, with the place', (keyword, schema) => {
    const error = problemOf(schema);
    expect(error).toMatchObject({ code: 'unsupported_schema' });
    expect(error?.message).toContain(keyword);
    expect(error?.message).toMatch(/at #/);
  });

  it('supports two thirds of them, and says which not', () => {
    const all = [...kinds.map(([, schema]) => schema), ...refused.map(([, schema]) => schema)];
    const taken = all.filter((schema) => problemOf(schema) === null).length;
    expect([taken, all.length]).toEqual([kinds.length, kinds.length + refused.length]);
    expect(taken / all.length).toBeGreaterThan(2 / 3);
  });

  it('points at the place', () => {
    const schema = { type: 'object', properties: { 'a/b': { type: 'array', items: { not: {} } } } };
    expect(problemOf(schema)?.message).toContain('#/properties/a~1b/items/not');
  });
});

function problemOf(schema: unknown): ServingError | null {
  try {
    sourceOfForm({ kind: 'json_schema', schema });
    return null;
  } catch (error) {
    return ServingError.from(error);
  }
}
