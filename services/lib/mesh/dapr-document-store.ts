import { CommunicationProtocolEnum, DaprClient, LogLevel, StateConcurrencyEnum } from '@dapr/dapr';
import type { Secret } from '../config/environment.js';
import { ServingError } from '../errors/serving-error.js';
import type { DocumentStore, VersionedDocument } from './document-store.js';

const CALL_TIMEOUT_MS = 5_000;

/**
 * Documents in the Dapr state store `storeName`, over the sidecar's HTTP API.
 *
 * Two habits of the SDK shape this file: `state.get` drops the ETag, so reads go through `getBulk`; and
 * `state.save` returns its error instead of throwing it, with the HTTP status inside the message.
 */
export class DaprDocumentStore implements DocumentStore {
  readonly #client: DaprClient;
  readonly #storeName: string;

  constructor(options: { daprHttpPort: number; storeName: string; apiToken?: Secret | undefined }) {
    this.#storeName = options.storeName;
    this.#client = new DaprClient({
      daprHost: '127.0.0.1',
      daprPort: String(options.daprHttpPort),
      communicationProtocol: CommunicationProtocolEnum.HTTP,
      ...(options.apiToken && { daprApiToken: options.apiToken.reveal() }),
      logger: { level: LogLevel.Error, service: silent },
    });
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
    const item = etag === null ? { key, value, options } : { key, value, etag, options };
    const { error } = await inTime(this.#client.state.save(this.#storeName, [item as never]));
    if (error === undefined) return true;
    // Some stores answer a lost race to create a key with 500 instead of 409, so a failed create counts as lost.
    if (etag === null || error.message.includes('"status":409')) return false;
    throw unavailable(error.message);
  }

  async close(): Promise<void> {
    await this.#client.stop();
  }
}

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
