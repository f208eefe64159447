import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { type FileRecord, MANIFEST_FILE, type Manifest, manifestSchema } from './format.js';
import { verifyShard } from './open-shards.js';
import { writeJson } from '../write-whole.js';
import { type TensorSource, writeShard } from './write-shard.js';

/** Everything of a manifest but the files. */
type ShardFolderHeader = Omit<Manifest, 'files'>;

/**
 * A precision's folder while it is written. Its manifest grows under a temporary name, file by file, and gets
 * its own at the end; so a folder with a manifest is whole, and an interrupted one goes on where it was.
 */
export class ShardFolder {
  readonly #directory: string;
  readonly #header: ShardFolderHeader;
  readonly #files: FileRecord[];

  private constructor(directory: string, header: ShardFolderHeader, files: FileRecord[]) {
    this.#directory = directory;
    this.#header = header;
    this.#files = files;
  }

  /** Opens or makes the folder, and keeps of an earlier attempt those files whose digests still match. */
  static async open(
    directory: string,
    header: ShardFolderHeader,
    signal?: AbortSignal,
  ): Promise<ShardFolder> {
    await mkdir(directory, { recursive: true });
    await rm(path.join(directory, MANIFEST_FILE), { force: true });
    const files: FileRecord[] = [];
    for (const record of await recordsOfEarlierAttempt(directory, header)) {
      const whole = await verifyShard(directory, record, signal).then(
        () => true,
        () => false,
      );
      signal?.throwIfAborted();
      if (whole) files.push(record);
    }
    return new ShardFolder(directory, header, files);
  }

  has(name: string): boolean {
    return this.#files.some((record) => record.name === name);
  }

  async write(
    name: string,
    tensors: Iterable<TensorSource> | AsyncIterable<TensorSource>,
    signal?: AbortSignal,
  ): Promise<void> {
    this.#files.push(await writeShard(this.#directory, name, tensors, signal));
    await writeJson(growingManifest(this.#directory), { ...this.#header, files: this.#files });
  }

  async finish(): Promise<void> {
    await rename(growingManifest(this.#directory), path.join(this.#directory, MANIFEST_FILE));
  }
}

const growingManifest = (directory: string): string => path.join(directory, `${MANIFEST_FILE}.growing`);

async function recordsOfEarlierAttempt(directory: string, header: ShardFolderHeader): Promise<FileRecord[]> {
  try {
    const found = manifestSchema.parse(JSON.parse(await readFile(growingManifest(directory), 'utf8')));
    const { files, ...earlier } = found;
    return JSON.stringify(earlier) === JSON.stringify(header) ? files : [];
  } catch {
    await rm(growingManifest(directory), { force: true });
    return [];
  }
}
