import { open, rename, rm } from 'node:fs/promises';
import { ServingError } from '../../errors/serving-error.js';

/** Writes a JSON file so that whoever reads it sees the old content or the new, never a part. */
export async function writeJson(file: string, content: unknown): Promise<void> {
  const temporary = `${file}.partial`;
  try {
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(`${JSON.stringify(content)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw ServingError.from(error);
  }
}
