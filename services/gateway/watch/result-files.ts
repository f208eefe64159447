import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** What a measuring command has written. */
interface ResultFile {
  /** Its folder's name and its own, such as `s1/whole-a40x2.json`. */
  readonly name: string;
  readonly bytes: number;
  /** Unix time when it was written, ms. */
  readonly at: number;
}

const MAX_FILES = 1_000;
/** A larger one is nothing that a page could draw. */
const MAX_BYTES = 64 << 20;

/** The JSON files in some folders and in the folders right below them, looked up anew each time: commands write them meanwhile. */
export class ResultFiles {
  readonly #folders: readonly string[];

  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  /** At most 1,000, of at most 64 MiB. A folder that is not there has none. */
  async list(): Promise<ResultFile[]> {
    return (await this.#find()).map(({ name, bytes, at }) => ({ name, bytes, at }));
  }

  /** Null of what `list` does not have. */
  async pathOf(name: string): Promise<string | null> {
    return (await this.#find()).find((file) => file.name === name)?.path ?? null;
  }

  async #find(): Promise<(ResultFile & { readonly path: string })[]> {
    const found = [];
    for (const folder of await this.#allFolders()) {
      for (const entry of await entriesOf(folder)) {
        if (found.length === MAX_FILES) return found;
        if (!entry.isFile() || !entry.name.endsWith('.json')) continue;
        const path = join(folder, entry.name);
        const file = await stat(path).catch(() => null);
        if (file === null || file.size > MAX_BYTES) continue;
        const name = `${basename(folder)}/${entry.name}`;
        found.push({ name, path, bytes: file.size, at: Math.round(file.mtimeMs) });
      }
    }
    return found;
  }

  async #allFolders(): Promise<string[]> {
    const below = async (folder: string): Promise<string[]> =>
      (await entriesOf(folder)).filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
    const all = await Promise.all(this.#folders.map(async (folder) => [folder, ...(await below(folder))]));
    return all.flat();
  }
}

const entriesOf = async (folder: string) =>
  (await readdir(folder, { withFileTypes: true }).catch(() => [])).sort((one, other) =>
    one.name < other.name ? -1 : 1,
  );
