import { setTimeout as delay } from 'node:timers/promises';
import type { DocumentStore, VersionedDocument } from '../../../../services/lib/mesh/types.js';

/** What a state store behind a sidecar takes for a document; assumed, not measured. */
export interface StoreModel {
  /** There and back, of the smallest document, beside the store's own work, ms. */
  readonly roundTripMs: number;
  /** The store's own work, one after the other: of a read, of a write, and of each kB of either, ms. */
  readonly readMs: number;
  readonly writeMs: number;
  readonly perKbMs: number;
}

/**
 * A state store that serves one request after the other, as SQLite, and one thread of Redis, do; every request waits its
 * turn, and the clock is that of the process.
 */
export class SimulatedStore implements DocumentStore {
  readonly #model: StoreModel;
  readonly #entryBytes: number;
  readonly #random: () => number;
  readonly #documents = new Map<string, { value: object; version: number }>();
  #freeAt = 0;
  reads = 0;
  writes = 0;
  /** Writes that came too late. */
  conflicts = 0;
  bytes = 0;
  /** How long the store has worked, ms. */
  busyMs = 0;

  constructor(model: StoreModel, entryBytes: number, random: () => number) {
    this.#model = model;
    this.#random = random;
    this.#entryBytes = entryBytes;
  }

  /** As of now. */
  get counts(): Pick<SimulatedStore, 'reads' | 'writes' | 'conflicts' | 'bytes' | 'busyMs'> {
    const { reads, writes, conflicts, bytes, busyMs } = this;
    return { reads, writes, conflicts, bytes, busyMs };
  }

  async read(key: string): Promise<VersionedDocument | null> {
    this.reads++;
    await this.#turn(this.#model.readMs, this.#documents.get(key)?.value);
    const found = this.#documents.get(key);
    await this.#way();
    return found === undefined ? null : { value: found.value, etag: String(found.version) };
  }

  async write(key: string, value: unknown, etag: string | null): Promise<boolean> {
    this.writes++;
    await this.#turn(this.#model.writeMs, value as object);
    const version = this.#documents.get(key)?.version ?? 0;
    const won = version === Number(etag ?? 0);
    if (won) this.#documents.set(key, { value: value as object, version: version + 1 });
    else this.conflicts++;
    await this.#way();
    return won;
  }

  /** There, or back: half of it for certain, so that nobody falls into step with others. */
  #way(): Promise<void> {
    return delay((this.#model.roundTripMs / 4) * (1 - Math.log(1 - this.#random())));
  }

  /** The way there, the wait until those before are served, and the store's own work on a document. */
  async #turn(fixedMs: number, document: object = {}): Promise<void> {
    await this.#way();
    const bytes = Object.keys(document).length * this.#entryBytes;
    const took = fixedMs + (bytes / 1_000) * this.#model.perKbMs;
    this.bytes += bytes;
    this.busyMs += took;
    this.#freeAt = Math.max(this.#freeAt, performance.now()) + took;
    await delay(this.#freeAt - performance.now());
  }
}
