import { z } from 'zod';
import { ServingError } from '../errors/serving-error.js';

/** A body in the types that the schema states. Throws `invalid_value` with the field as `param`, or `invalid_json`. */
export function parseBody<Raw>(schema: z.ZodType<Raw>, body: unknown): Raw {
  if (body === undefined)
    throw new ServingError('invalid_json', 'the body is empty, or its content-type is not JSON');
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;

  const issue = parsed.error.issues[0]!;
  if (issue.path.length === 0) throw new ServingError('invalid_json', 'the body is not a JSON object');
  const param = fieldName(issue.path);
  const problem = issue.message.replace(/^Invalid input: /, '');
  throw new ServingError('invalid_value', `${param}: ${problem}`, { param });
}

/** `['messages', 0, 'content']` as `messages[0].content`. */
function fieldName(path: readonly PropertyKey[]): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .slice(1);
}

/**
 * An array that is read up to its first wrong item, which is the only one reported, and not at all where it has more than `most`.
 * `z.array` makes an issue of every wrong item and spreads them into the arguments of a call, for which a long array in an array
 * overflows the stack.
 */
export const arrayOf = <Item>(item: z.ZodType<Item>, most = Infinity) =>
  listOf(item).transform((values, context): Item[] => {
    if (values.length > most) {
      context.addIssue({ code: 'custom', message: `expected up to ${most}` });
      return z.NEVER;
    }
    const items: Item[] = [];
    for (const [index, value] of values.entries()) {
      const parsed = item.safeParse(value);
      if (!parsed.success) {
        const { path, message } = parsed.error.issues[0]!;
        context.addIssue({ code: 'custom', path: [index, ...path], message });
        return z.NEVER;
      }
      items.push(parsed.data);
    }
    return items;
  });

/** Deeper than any schema or conversation is, and shallow enough for every function that calls itself. */
export const MAX_DEPTH = 128;

/** Level by level, so that no depth is too much for it. */
export function isDeeperThan(limit: number, value: unknown): boolean {
  let level = [value].filter(isNest);
  for (let depth = 0; depth < limit && level.length > 0; depth += 1) {
    const next: object[] = [];
    for (const nest of level) for (const each of Object.values(nest)) if (isNest(each)) next.push(each);
    level = next;
  }
  return level.length > 0;
}

const isNest = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** What the items of an array are to be, which its own schema does not say. */
const ITEMS = new WeakMap<object, z.ZodType>();

function listOf(item: z.ZodType): z.ZodArray<z.ZodUnknown> {
  const list = z.array(z.unknown());
  ITEMS.set(list, item);
  return list;
}

const tokenId = z.int().min(0);
/** A body may have millions, so each costs a comparison, and not a schema's work on the event loop. */
export const tokenIds = listOf(tokenId).transform((values, context): number[] => {
  const wrong = values.findIndex((value) => !Number.isSafeInteger(value) || (value as number) < 0);
  if (wrong === -1) return values as number[];
  const message = tokenId.safeParse(values[wrong]).error?.issues[0]?.message ?? 'expected a token id';
  context.addIssue({ code: 'custom', path: [wrong], message });
  return z.NEVER;
});

/** The JSON Schema (draft 2020-12) of what a schema takes. */
export function jsonSchemaOf(schema: z.ZodType): z.core.JSONSchema.JSONSchema {
  const described = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const item = ITEMS.get(zodSchema);
      if (item !== undefined) jsonSchema.items = jsonSchemaOf(item);
    },
  });
  delete described.$schema;
  return described;
}

/** A field whose value is not what it can be; `problem` goes on where its name ends. */
export const invalidField = (param: string, problem: string): ServingError =>
  new ServingError('invalid_value', `${param} ${problem}`, { param });

/** An item, part or tool of a type that other servers have. */
export const unsupportedType = (param: string, type: string): ServingError =>
  new ServingError(
    'unsupported_parameter',
    `${param} is of the type ${JSON.stringify(type)}, which is not supported here`,
    { param },
  );
