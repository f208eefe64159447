import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tokens } from '../config/config.js';
import { openStream, revealed, StreamClient } from './grpc-stream.js';
import { DocumentRegistry } from './registry.js';
import type {
  Mesh,
  MessageStream,
  PassingDocuments,
  Registry,
  ReplicaRecord,
  SharedState,
  VersionedDocument,
} from './types.js';

/** Plain gRPC to the address that a replica announced: what the mesh is measured against. */
export class DirectMesh implements Mesh, SharedState {
  readonly kind = 'direct';
  readonly registry: Registry;
  readonly #documents: string;
  readonly #shows: Readonly<Record<string, string>>;

  constructor(options: { registryDirectory: string; shows?: Tokens }) {
    this.#shows = revealed(options.shows ?? {});
    this.registry = new DocumentRegistry(new FileDocumentStore(options.registryDirectory));
    this.#documents = join(options.registryDirectory, 'documents');
  }

  open(record: ReplicaRecord): MessageStream {
    const client = new StreamClient(record.address);
    return openStream(client, this.#shows, () => client.close());
  }

  documents(ttlSeconds: number): PassingDocuments {
    return new FileDocumentStore(this.#documents, ttlSeconds * 1000);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * Documents in a folder of this machine, for the direct mesh. Version n of a document is the file `<key>.<n>`;
 * linking a finished file to the next number is the compare-and-set: the file system lets one process win. The
 * newest file is never removed.
 */
export class FileDocumentStore implements PassingDocuments {
  readonly #directory: string;
  readonly #ttlMs: number;

  constructor(directory: string, ttlMs = Infinity) {
    this.#directory = directory;
    this.#ttlMs = ttlMs;
  }

  async read(key: string): Promise<VersionedDocument | null> {
    // A newer version may replace the newest one between listing and reading: look again.
    for (;;) {
      const version = await this.#newest(key);
      if (version === 0) return null;
      const text = await readFile(this.#path(key, version), 'utf8').catch(nullIfMissing);
      if (text !== null) return { value: JSON.parse(text) as unknown, etag: String(version) };
    }
  }

  async write(key: string, value: unknown, etag: string | null): Promise<boolean> {
    await mkdir(this.#directory, { recursive: true });
    await this.#forgetOld();
    const version = Number(etag ?? 0);
    if ((await this.#newest(key)) !== version) return false;
    const finished = join(this.#directory, `.${randomUUID()}`);
    await writeFile(finished, JSON.stringify(value));
    try {
      await link(finished, this.#path(key, version + 1));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    } finally {
      await rm(finished, { force: true });
    }
    await rm(this.#path(key, version - 1), { force: true });
    if ((await this.#newest(key)) === version + 1) return true;
    // Others went on meanwhile, perhaps from a file of this number that they have removed since: not ours, then.
    await rm(this.#path(key, version + 1), { force: true });
    return false;
  }

  async delete(key: string): Promise<void> {
    const newest = await this.#newest(key);
    if (newest > 0) await rm(this.#path(key, newest), { force: true });
  }

  /** By the file system's clock, which all processes of the direct mesh share. */
  async #forgetOld(): Promise<void> {
    if (this.#ttlMs === Infinity) return;
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name);
      const { mtimeMs } = (await stat(path).catch(nullIfMissing)) ?? { mtimeMs: Infinity };
      if (Date.now() - mtimeMs > this.#ttlMs) await rm(path, { force: true });
    }
  }

  async #newest(key: string): Promise<number> {
    const names = await readdir(this.#directory).catch(nullIfMissing);
    const versions = (names ?? [])
      .filter((name) => name.startsWith(`${key}.`))
      .map((name) => Number(name.slice(key.length + 1)));
    return Math.max(0, ...versions.filter(Number.isSafeInteger));
  }

  #path(key: string, version: number): string {
    return join(this.#directory, `${key}.${version}`);
  }
}

function nullIfMissing(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  throw error;
}
