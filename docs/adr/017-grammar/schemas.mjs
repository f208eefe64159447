/**
 * JSON schemas as programs send them, each of about 2 kB and the same in every run: records in records, enumerations,
 * bounds, lists, unions, patterns, formats, and definitions that refer to themselves.
 */

/** Random numbers in [0, 1) of a seed (mulberry32). */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const WORDS =
  'account address amount author balance category city comment company country created currency customer delivery ' +
  'department description discount duration email employee height history identifier invoice language latitude limit ' +
  'location longitude manager message method number order owner parent payment phone position price priority product ' +
  'quantity rating reason region result salary section status street summary supplier title total version weight';

const PATTERNS = [
  '^[A-Z]{2}[0-9]{4}$',
  '^(\\+[0-9]{1,3} )?[0-9]{6,12}$',
  '^[a-z]+(-[a-z0-9]+)*$',
  '^#[0-9a-f]{6}$',
];
const FORMATS = ['date-time', 'date', 'uuid', 'email', 'ipv4'];

/** The `seed`-th schema: an object. */
export function schemaOf(seed, bytes = 2_000) {
  const random = randomOf(seed + 1);
  const below = (count) => Math.floor(random() * count);
  const pick = (items) => items[below(items.length)];
  const words = WORDS.split(' ');

  const text = () =>
    [
      () => ({ type: 'string' }),
      () => ({ type: 'string', minLength: 1, maxLength: 8 + below(120) }),
      () => ({ type: 'string', pattern: pick(PATTERNS) }),
      () => ({ type: 'string', format: pick(FORMATS) }),
      () => ({ type: 'string', enum: Array.from({ length: 3 + below(6) }, () => pick(words)).filter(first) }),
    ][below(5)]();
  const number = () =>
    [
      () => ({ type: 'integer' }),
      () => ({ type: 'number' }),
      () => ({ type: 'integer', minimum: below(10), maximum: 10 + below(5_000) }),
      () => ({ type: 'number', minimum: 0, exclusiveMaximum: 1 + below(100) }),
    ][below(4)]();
  const value = (depth) => {
    const kind = random();
    if (kind < 0.35) return text();
    if (kind < 0.55) return number();
    if (kind < 0.62) return { type: 'boolean' };
    if (kind < 0.7) return { anyOf: [text(), { type: 'null' }] };
    if (kind < 0.75 && depth > 0) return { $ref: '#/$defs/node' };
    if (kind < 0.87)
      return { type: 'array', items: value(depth - 1), minItems: below(2), maxItems: 2 + below(8) };
    return depth > 0 ? object(depth - 1, 2 + below(4)) : { const: pick(words) };
  };
  const property = (depth) => ({ description: `The ${pick(words)} of the ${pick(words)}.`, ...value(depth) });
  const object = (depth, count) => {
    const properties = {};
    while (Object.keys(properties).length < count) properties[pick(words)] = property(depth);
    const required = Object.keys(properties).filter(() => random() < 0.7);
    return { type: 'object', properties, required, additionalProperties: false };
  };

  const schema = object(2, 3);
  schema.$defs = {
    node: {
      type: 'object',
      properties: { name: { type: 'string' }, children: { type: 'array', items: { $ref: '#/$defs/node' } } },
      required: ['name', 'children'],
      additionalProperties: false,
    },
  };
  for (let tries = 0; JSON.stringify(schema).length < bytes && tries < 200; tries += 1) {
    const name = `${pick(words)}_${pick(words)}`;
    schema.properties[name] = property(1);
    if (random() < 0.7 && !schema.required.includes(name)) schema.required.push(name);
  }
  return schema;
}

const first = (item, index, items) => items.indexOf(item) === index;

/** An instance in the order of the schema's properties. */
export function instanceOf(schema, root = schema, seed = 1, depth = 0) {
  const random = randomOf(seed * 7919 + depth);
  const inner = (part, salt) => instanceOf(part, root, seed * 31 + salt, depth + 1);
  if (schema.$ref) return { name: 'leaf', children: depth > 4 ? [] : [{ name: 'inner', children: [] }] };
  if (schema.anyOf) return inner(schema.anyOf[0], 1);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[Math.floor(random() * schema.enum.length)];
  switch (schema.type) {
    case 'object':
      return Object.fromEntries(
        Object.entries(schema.properties).map(([name, part], index) => [name, inner(part, index)]),
      );
    case 'array':
      return Array.from({ length: Math.min(2, schema.maxItems ?? 2) }, (_, index) =>
        inner(schema.items, index),
      );
    case 'integer':
      return Math.ceil(schema.minimum ?? 7);
    case 'number':
      return 0.5;
    case 'boolean':
      return random() < 0.5;
    default:
      return (
        STRINGS[schema.pattern ?? schema.format] ?? 'Some words, and "quotes".'.slice(0, schema.maxLength)
      );
  }
}

const STRINGS = {
  [PATTERNS[0]]: 'DE1234',
  [PATTERNS[1]]: '+49 12345678',
  [PATTERNS[2]]: 'a-slug-2',
  [PATTERNS[3]]: '#00ff7a',
  'date-time': '2026-11-29T12:30:00Z',
  date: '2026-11-29',
  uuid: '123e4567-e89b-42d3-a456-426614174000',
  email: 'somebody@example.com',
  ipv4: '192.168.10.1',
};
