import { z } from 'zod';
import { ServingError } from '../errors/serving-error.js';

/** No dimension, count or context is larger: what comes from a file must not size an allocation unchecked. */
const MAX_COUNT = 2 ** 24;

/** A number from 1 up. GGUF's 64-bit integers arrive as bigint. */
export const count = z.preprocess(
  (value) => (typeof value === 'bigint' ? Number(value) : value),
  z.number().int().min(1).max(MAX_COUNT),
);
export const positive = z.number().positive();

/** The known fields of a model file's metadata, checked; throws `checkpoint_invalid` naming the first bad one. */
export function parseFields<Schema extends z.ZodType>(
  schema: Schema,
  values: unknown,
  source: string,
): z.output<Schema> {
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const field = issue.path.join('.') || 'content';
  throw new ServingError('checkpoint_invalid', `${source}: ${field}: ${issue.message}`, {
    cause: result.error,
  });
}
