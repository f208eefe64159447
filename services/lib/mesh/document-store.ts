/** A JSON document and the version of it that was read. */
export interface VersionedDocument {
  readonly value: unknown;
  readonly etag: string;
}

/** Documents with compare-and-set, which is all the registry needs of a state store. */
export interface DocumentStore {
  read(key: string): Promise<VersionedDocument | null>;
  /**
   * Writes if the document is still the one that was read (`null`: still absent). Returns false when somebody
   * else was faster.
   */
  write(key: string, value: unknown, etag: string | null): Promise<boolean>;
}
