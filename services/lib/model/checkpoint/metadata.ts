import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';

/** The largest tokenizer.json of a known model has 33 MB. */
const MAX_BYTES = 256 << 20;

/** A JSON file of a model's folder, or undefined where there is none; throws `checkpoint_invalid`. */
export async function readJson(path: string, signal?: AbortSignal): Promise<unknown> {
  const text = await readText(path, signal);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (reason) {
    if (isLfsPointer(text)) throw lfsPointer(basename(path));
    throw new ServingError('checkpoint_invalid', `${basename(path)} is not JSON`, { cause: reason });
  }
}

/** A text file of a model's folder, or undefined where there is none; throws `checkpoint_invalid` if absurdly large. */
export async function readText(path: string, signal?: AbortSignal): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    if (size > MAX_BYTES) {
      throw new ServingError(
        'checkpoint_invalid',
        `${basename(path)} has ${size} bytes, more than ${MAX_BYTES}`,
      );
    }
    return await readFile(path, { encoding: 'utf8', signal });
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw reason;
  }
}

const LFS_POINTER = 'version https://git-lfs';

/** Whether text, or as much as is known of it, begins as what a clone without Git LFS has in place of a large file. */
export const isLfsPointer = (text: string): boolean =>
  text.length >= 8 && (text.startsWith(LFS_POINTER) || LFS_POINTER.startsWith(text));

export const lfsPointer = (file: string): ServingError =>
  new ServingError('not_a_checkpoint', `${file} is only a pointer of Git LFS`, {
    hint: 'run git lfs pull in its folder, or download the file itself',
  });

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
