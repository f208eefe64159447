import { setTimeout as delay } from 'node:timers/promises';
import { CommunicationProtocolEnum, DaprClient, LogLevel, StateConcurrencyEnum } from '@dapr/dapr';
import type { Tokens } from '../config/config.js';
import type { Secret } from '../config/environment.js';
import { ServingError } from '../errors/serving-error.js';
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

interface DaprMeshOptions {
  readonly daprGrpcPort: number;
  readonly daprHttpPort: number;
  readonly storeName: string;
  readonly shows: Tokens;
}

/** Between two complaints about a sidecar that does not come. */
const SIDECAR_PATIENCE_MS = 10_000;

/** Every stream goes through the sidecar: it finds the app-id, balances, encrypts, counts and traces. */
export class DaprMesh implements Mesh, SharedState {
  readonly kind = 'dapr';
  readonly registry: Registry;
  readonly #client: StreamClient;
  readonly #shows: Readonly<Record<string, string>>;
  readonly #sidecar: DaprClient;
  readonly #storeName: string;

  private constructor(options: DaprMeshOptions) {
    const { shows } = options;
    this.#client = new StreamClient(`127.0.0.1:${options.daprGrpcPort}`);
    this.#shows = revealed(shows);
    this.#sidecar = sidecarClient(options.daprHttpPort, shows['dapr-api-token']);
    this.#storeName = options.storeName;
    this.registry = new DocumentRegistry(new DaprDocumentStore(this.#sidecar, this.#storeName));
  }

  /**
   * Waits until the sidecar can be used: one that cannot start, for its store is broken, does not cost this process
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

  documents(ttlSeconds: number): PassingDocuments {
    return new DaprDocumentStore(this.#sidecar, this.#storeName, { ttlInSeconds: String(ttlSeconds) });
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.#sidecar.stop();
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

const CALL_TIMEOUT_MS = 5_000;

/**
 * Documents in the Dapr state store `storeName`, over the sidecar's HTTP API.
 *
 * Two habits of the SDK shape this file: `state.get` drops the ETag, so reads go through `getBulk`; and
 * `state.save` returns its error instead of throwing it, with the HTTP status inside the message.
 */
class DaprDocumentStore implements PassingDocuments {
  readonly #client: DaprClient;
  readonly #storeName: string;

  readonly #metadata: Readonly<Record<string, string>>;

  constructor(client: DaprClient, storeName: string, metadata: Readonly<Record<string, string>> = {}) {
    this.#client = client;
    this.#storeName = storeName;
    this.#metadata = metadata;
  }

  async read(key: string): Promise<VersionedDocument | null> {
    const [found] = (await inTime(
      this.#client.state.getBulk(this.#storeName, [key]),
    )) as unknown as BulkItem[];
    if (found?.error !== undefined) throw unavailable(found.error);
    if (found?.etag === undefined || found.data === undefined) return null;
    return { value: found.data, etag: found.etag };
  }

  async write(key: string, value: unknown, etag: string | null): Promise<boolean> {
    const options = { concurrency: StateConcurrencyEnum.CONCURRENCY_FIRST_WRITE };
    const item = { key, value, options, metadata: this.#metadata, ...(etag !== null && { etag }) };
    const { error } = await inTime(this.#client.state.save(this.#storeName, [item as never]));
    if (error === undefined) return true;
    // Some stores answer a lost race to create a key with 500 instead of 409, so a failed create counts as lost.
    if (etag === null || error.message.includes('"status":409')) return false;
    throw unavailable(error.message);
  }

  async delete(key: string): Promise<void> {
    const { error } = await inTime(this.#client.state.delete(this.#storeName, key));
    if (error !== undefined) throw unavailable(error.message);
  }
}

const sidecarClient = (port: number, apiToken: Secret | undefined): DaprClient =>
  new DaprClient({
    daprHost: '127.0.0.1',
    daprPort: String(port),
    communicationProtocol: CommunicationProtocolEnum.HTTP,
    ...(apiToken && { daprApiToken: apiToken.reveal() }),
    logger: { level: LogLevel.Error, service: silent },
  });

/** What the sidecar really answers to a bulk read; the SDK's type names other fields. */
interface BulkItem {
  readonly data?: unknown;
  readonly etag?: string;
  readonly error?: string;
}

const nothing = (): void => undefined;

/** Errors come back as values and are reported where they are handled. */
const silent = { error: nothing, warn: nothing, info: nothing, verbose: nothing, debug: nothing };

const unavailable = (message: string, cause?: unknown): ServingError =>
  new ServingError('sidecar_missing', `the Dapr state API failed: ${message}`, {
    hint: 'check the sidecar and its statestore component',
    cause,
  });

async function inTime<Value>(call: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unavailable(`no answer within ${CALL_TIMEOUT_MS} ms`)), CALL_TIMEOUT_MS);
  });
  try {
    return await Promise.race([call, timeout]);
  } catch (cause) {
    throw cause instanceof ServingError ? cause : unavailable(String(cause), cause);
  } finally {
    clearTimeout(timer);
  }
}
