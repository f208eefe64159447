import { z } from 'zod';
import { ServingError } from '../errors/serving-error.js';

/** No dimension, count or context is larger: what comes from a file must not size an allocation unchecked. */
const MAX_COUNT = 2 ** 24;

/** GGUF's 64-bit integers arrive as bigint. */
const plainNumber = (value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : value);

/** A number from 1 up. */
export const count = z.preprocess(plainNumber, z.number().int().min(1).max(MAX_COUNT));
/** A number from 1 up that may be left out, which writers of checkpoints also say by 0. */
export const optionalCount = z.preprocess((value) => plainNumber(value) || undefined, count.optional());
/** A length of the context: numbers such as 2^31 - 1 only mean that there is no limit. */
export const positions = z.preprocess(
  plainNumber,
  z
    .number()
    .min(1)
    .transform((length) => Math.min(Math.floor(length), MAX_COUNT)),
);
export const positive = z.number().positive();

/**
 * The known fields of a model file's metadata, checked; null means that a field is not given. Throws
 * `checkpoint_invalid` naming the first bad one.
 */
export function parseFields<Schema extends z.ZodType>(
  schema: Schema,
  values: unknown,
  source: string,
): z.output<Schema> {
  const result = schema.safeParse(withoutNulls(values));
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const field = issue.path.join('.') || 'content';
  throw new ServingError('checkpoint_invalid', `${source}: ${field}: ${issue.message}`, {
    cause: result.error,
  });
}

function withoutNulls(values: unknown): unknown {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) return values;
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
}
