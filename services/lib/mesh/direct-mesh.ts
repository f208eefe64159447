import type { Tokens } from '../config/config.js';
import { FileDocumentStore } from './file-document-store.js';
import { createClient, openStream, revealed } from './grpc-stream.js';
import { DocumentRegistry } from './registry.js';
import type { Mesh, MessageStream, Registry, ReplicaRecord } from './types.js';

/** Plain gRPC to the address that a replica announced: what the mesh is measured against. */
export class DirectMesh implements Mesh {
  readonly kind = 'direct';
  readonly registry: Registry;
  readonly #shows: Readonly<Record<string, string>>;

  constructor(options: { registryDirectory: string; shows?: Tokens }) {
    this.#shows = revealed(options.shows ?? {});
    this.registry = new DocumentRegistry(new FileDocumentStore(options.registryDirectory));
  }

  open(record: ReplicaRecord): MessageStream {
    const client = createClient(record.address);
    return openStream(client, this.#shows, () => client.close());
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
