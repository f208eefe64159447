import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { ServingError } from '../errors/serving-error.js';

/**
 * Writes a file so that whoever reads it sees the old content or the new, never a part: under a temporary name,
 * flushed to disk, then renamed. Nothing stays behind when `write` fails. Resolves with what `write` returned.
 * Where several processes may write the same file, each needs another temporary name.
 */
export async function writeWhole<Result>(
  file: string,
  write: (handle: FileHandle) => Promise<Result>,
  partial = `${file}.partial`,
): Promise<Result> {
  try {
    const handle = await open(partial, 'w');
    let result: Result;
    try {
      result = await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, file);
    return result;
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** Writes a JSON file so that whoever reads it sees the old content or the new, never a part. */
export async function writeJson(file: string, content: unknown): Promise<void> {
  try {
    await writeWhole(file, (handle) => handle.writeFile(`${JSON.stringify(content)}\n`));
  } catch (error) {
    throw ServingError.from(error);
  }
}
