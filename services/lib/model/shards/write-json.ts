import { ServingError } from '../../errors/serving-error.js';
import { writeWhole } from './write-whole.js';

/** Writes a JSON file so that whoever reads it sees the old content or the new, never a part. */
export async function writeJson(file: string, content: unknown): Promise<void> {
  try {
    await writeWhole(file, (handle) => handle.writeFile(`${JSON.stringify(content)}\n`));
  } catch (error) {
    throw ServingError.from(error);
  }
}
