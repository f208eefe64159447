import { setTimeout as delay } from 'node:timers/promises';
// The whole library takes a third of a second of each start: workflows, actors, servers, two protocols.
import { StateConcurrencyEnum } from '@dapr/dapr/enum/StateConcurrency.enum.js';
import stateClient from '@dapr/dapr/implementation/Client/HTTPClient/state.js';
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
  readonly #state: DaprState;
  readonly #storeName: string;

  private constructor(options: DaprMeshOptions) {
    const { shows } = options;
    this.#client = new StreamClient(`127.0.0.1:${options.daprGrpcPort}`);
    this.#shows = revealed(shows);
    this.#state = daprState(options.daprHttpPort, shows['dapr-api-token']);
    this.#storeName = options.storeName;
    this.registry = new DocumentRegistry(new DaprDocumentStore(this.#state, this.#storeName));
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
    return new DaprDocumentStore(this.#state, this.#storeName, { ttlInSeconds: String(ttlSeconds) });
  }

  close(): Promise<void> {
    this.#client.close();
    return Promise.resolve();
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

const HttpState = stateClient.default;
type DaprState = InstanceType<typeof HttpState>;
type Transport = ConstructorParameters<typeof HttpState>[0];

/** What Dapr's client asks its transport for. */
interface StateRequest {
  readonly method: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Dapr's client of the state API. Only its requests are ours: the library's cannot be given up, so that a sidecar that
 * does not answer would keep a socket of each.
 */
function daprState(port: number, token: Secret | undefined): DaprState {
  const url = `http://127.0.0.1:${port}/v1.0`;
  const headers = { 'content-type': 'application/json', ...(token && { 'dapr-api-token': token.reveal() }) };
  const execute = (path: string, { method, body, headers: more }: StateRequest): Promise<unknown> =>
    call(`${url}${path}`, {
      method,
      headers: { ...headers, ...more },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  // Errors come back as values, and are reported where they are handled.
  const transport = { options: { logger: { service: silent } }, execute };
  return new HttpState(transport as unknown as Transport);
}

/** What the sidecar answers to a request, `null` if that is nothing; throws `sidecar_missing`. */
async function call(url: string, request: RequestInit): Promise<unknown> {
  try {
    const response = await fetch(url, { ...request, signal: AbortSignal.timeout(CALL_TIMEOUT_MS) });
    const text = await response.text();
    if (!response.ok) throw unavailable(`HTTP ${response.status} ${text}`, new HttpStatus(response.status));
    return text === '' ? null : JSON.parse(text);
  } catch (cause) {
    if (cause instanceof ServingError) throw cause;
    const { name, message } = cause as Error;
    throw unavailable(name === 'TimeoutError' ? `no answer within ${CALL_TIMEOUT_MS} ms` : message, cause);
  }
}

/** Why a call failed that was answered. */
class HttpStatus extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`HTTP ${status}`);
    this.status = status;
  }
}

/**
 * Documents in the Dapr state store `storeName`, over the sidecar's HTTP API. Two habits of Dapr's client shape this
 * class: `get` drops the ETag, so reads go through `getBulk`; and `save` returns its error instead of throwing it.
 */
class DaprDocumentStore implements PassingDocuments {
  readonly #state: DaprState;
  readonly #storeName: string;
  readonly #metadata: Readonly<Record<string, string>>;

  constructor(state: DaprState, storeName: string, metadata: Readonly<Record<string, string>> = {}) {
    this.#state = state;
    this.#storeName = storeName;
    this.#metadata = metadata;
  }

  async read(key: string): Promise<VersionedDocument | null> {
    const [found] = (await this.#state.getBulk(this.#storeName, [key])) as unknown as BulkItem[];
    if (found?.error !== undefined) throw unavailable(found.error);
    if (found?.etag === undefined || found.data === undefined) return null;
    return { value: found.data, etag: found.etag };
  }

  async write(key: string, value: unknown, etag: string | null): Promise<boolean> {
    const options = { concurrency: StateConcurrencyEnum.CONCURRENCY_FIRST_WRITE };
    const item = { key, value, options, metadata: this.#metadata, ...(etag !== null && { etag }) };
    const { error } = await this.#state.save(this.#storeName, [item as never]);
    if (error === undefined) return true;
    const status = error.cause instanceof HttpStatus ? error.cause.status : null;
    if (status === 409) return false;
    // Some stores answer a lost race to create a key with 500 instead of 409, so a failed create counts as lost.
    if (etag === null && status !== null) return false;
    throw error;
  }

  async delete(key: string): Promise<void> {
    const { error } = await this.#state.delete(this.#storeName, key);
    if (error !== undefined) throw error;
  }
}

/** What the sidecar really answers to a bulk read; Dapr's type names other fields. */
interface BulkItem {
  readonly data?: unknown;
  readonly etag?: string;
  readonly error?: string;
}

const nothing = (): void => undefined;
const silent = { error: nothing, warn: nothing, info: nothing, verbose: nothing, debug: nothing };

const unavailable = (message: string, cause?: unknown): ServingError =>
  new ServingError('sidecar_missing', `the Dapr state API failed: ${message}`, {
    hint: 'check the sidecar and its statestore component',
    cause,
  });
