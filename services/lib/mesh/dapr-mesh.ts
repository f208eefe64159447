import { setTimeout as delay } from 'node:timers/promises';
import type * as grpc from '@grpc/grpc-js';
import type { Tokens } from '../config/config.js';
import { ServingError } from '../errors/serving-error.js';
import { DaprDocumentStore } from './dapr-document-store.js';
import { createClient, openStream, revealed } from './grpc-stream.js';
import { DocumentRegistry } from './registry.js';
import type { Mesh, MessageStream, Registry, ReplicaRecord } from './types.js';

export interface DaprMeshOptions {
  readonly daprGrpcPort: number;
  readonly daprHttpPort: number;
  readonly storeName: string;
  readonly shows: Tokens;
}

/** Between two complaints about a sidecar that does not come. */
const SIDECAR_PATIENCE_MS = 10_000;

/** Every stream goes through the sidecar: it finds the app-id, balances, encrypts, counts and traces. */
export class DaprMesh implements Mesh {
  readonly kind = 'dapr';
  readonly registry: Registry;
  readonly #client: grpc.Client;
  readonly #shows: Readonly<Record<string, string>>;
  readonly #store: DaprDocumentStore;

  private constructor(options: DaprMeshOptions) {
    const { shows } = options;
    this.#client = createClient(`127.0.0.1:${options.daprGrpcPort}`);
    this.#shows = revealed(shows);
    this.#store = new DaprDocumentStore({ ...options, apiToken: shows['dapr-api-token'] });
    this.registry = new DocumentRegistry(this.#store);
  }

  /**
   * Waits until the sidecar can be used: one that can not start, for its store is broken, does not cost this process
   * what it has loaded. `onTrouble` hears `sidecar_missing` now and then meanwhile.
   */
  static async start(
    options: DaprMeshOptions,
    signal: AbortSignal,
    onTrouble?: (reason: ServingError) => void,
  ): Promise<DaprMesh> {
    await sidecarReady(options.daprHttpPort, signal, onTrouble);
    return new DaprMesh(options);
  }

  /**
   * `dapr-stream` makes Dapr's resiliency cover only the opening of the stream; without it a timeout policy
   * would cut a link that is healthy.
   */
  open(record: ReplicaRecord, traceparent = ''): MessageStream {
    const context = traceparent === '' ? {} : { traceparent };
    const target = { 'dapr-app-id': record.appId, 'dapr-stream': 'true' };
    return openStream(this.#client, { ...target, ...this.#shows, ...context });
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.#store.close();
  }
}

/** `/healthz/outbound` answers before the app listens, which `/healthz` does not. Neither wants a token. */
async function sidecarReady(
  port: number,
  signal: AbortSignal,
  onTrouble: (reason: ServingError) => void = () => undefined,
): Promise<void> {
  const url = `http://127.0.0.1:${port}/v1.0/healthz/outbound`;
  let deadline = performance.now() + SIDECAR_PATIENCE_MS;
  for (;;) {
    signal.throwIfAborted();
    const ok = await fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ok) return;
    if (performance.now() > deadline) {
      onTrouble(new ServingError('sidecar_missing', `no Dapr sidecar answers on port ${port}`));
      deadline += SIDECAR_PATIENCE_MS;
    }
    await delay(50, undefined, { signal });
  }
}
