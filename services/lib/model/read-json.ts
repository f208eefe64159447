import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { ServingError } from '../errors/serving-error.js';
import { isLfsPointer, lfsPointer } from './lfs-pointer.js';

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
