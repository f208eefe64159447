import { FileDocumentStore } from './file-document-store.js';
import { createClient, openStream } from './grpc-stream.js';
import { DocumentRegistry } from './registry.js';
import type { Mesh, MessageStream, Registry, ReplicaRecord } from './types.js';

/** Plain gRPC to the address that a replica announced: what the mesh is measured against. */
export class DirectMesh implements Mesh {
  readonly kind = 'direct';
  readonly registry: Registry;

  constructor(options: { registryDirectory: string }) {
    this.registry = new DocumentRegistry(new FileDocumentStore(options.registryDirectory));
  }

  open(record: ReplicaRecord): MessageStream {
    const client = createClient(record.address);
    return openStream(client, {}, () => client.close());
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
