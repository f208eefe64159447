import { ServingError } from '../../../services/lib/errors/serving-error.js';
import type { PassingDocuments, VersionedDocument } from '../../../services/lib/mesh/types.js';

/** A state store in memory, which keeps the contract of PassingDocuments, but forgets only what a test tells it to. */
export class MemoryDocuments implements PassingDocuments {
  readonly kept: Map<string, VersionedDocument>;
  isDown = false;

  /** `kept`: what another process sees of the same store. */
  constructor(kept = new Map<string, VersionedDocument>()) {
    this.kept = kept;
  }

  async read(key: string): Promise<VersionedDocument | null> {
    await this.#answer();
    return this.kept.get(key) ?? null;
  }

  async write(key: string, value: unknown, etag: string | null): Promise<boolean> {
    await this.#answer();
    const current = this.kept.get(key)?.etag ?? null;
    if (current !== etag) return false;
    this.kept.set(key, {
      value: JSON.parse(JSON.stringify(value)) as unknown,
      etag: String(Number(etag) + 1),
    });
    return true;
  }

  async delete(key: string): Promise<void> {
    await this.#answer();
    this.kept.delete(key);
  }

  async #answer(): Promise<void> {
    await Promise.resolve();
    if (this.isDown) throw new ServingError('sidecar_missing', 'the store is down');
  }
}
