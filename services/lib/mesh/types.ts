import type { ServingError } from '../errors/serving-error.js';
import type { Message } from '../wire/gen/stage_pb.js';
import type { AnnouncedPlan } from './identity.js';

/** A bidirectional stream of messages to one other process. Order is kept; nothing is resent. */
export interface MessageStream {
  /** Queues a message; ignored once the stream has ended. */
  send(message: Message): void;
  /** Ends the stream from this side. `reason` is what the other side reads, where it is told. */
  end(reason?: ServingError): void;
  /**
   * Called before messages flow; called again, it hands the stream over to other handlers. `onEnd` of the last ones is
   * called exactly once, whichever side ended the stream.
   */
  listen(handlers: StreamHandlers): void;
}

export interface StreamHandlers {
  onMessage(message: Message): void;
  onEnd(reason: ServingError): void;
}

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

/** Documents that are forgotten some time after they were last written. */
export interface PassingDocuments extends DocumentStore {
  /** There may be none. */
  delete(key: string): Promise<void>;
}

/** What the processes of a mesh share apart from the registry. */
export interface SharedState {
  documents(ttlSeconds: number): PassingDocuments;
}

/** One running process, as the registry lists it. */
export interface ReplicaRecord {
  readonly appId: string;
  readonly replica: string;
  /** `host:port` of its gRPC server, for the direct mesh; through Dapr nobody dials it. */
  readonly address: string;
  readonly draining: boolean;
  /** Undefined where it did not say. */
  readonly plan?: AnnouncedPlan | undefined;
  /** Of a gateway with several models, those of all but the first. */
  readonly furtherPlans?: readonly AnnouncedPlan[];
}

/**
 * How processes reach each other: through their Dapr sidecars, or directly. Both open the same streams to the
 * same services and keep the same registry, so that one can be the control of the other.
 */
export interface Mesh {
  readonly kind: 'dapr' | 'direct';
  readonly registry: Registry;
  /**
   * Opens a stream to a replica of `record.appId`. Dapr picks the replica itself, so the caller must look at
   * the `Welcome` to learn which one it reached. Spans of whatever lies between belong under `traceparent`.
   */
  open(record: ReplicaRecord, traceparent?: string): MessageStream;
  close(): Promise<void>;
}

/** Which replicas of an app-id live. */
export interface Registry {
  list(appId: string): Promise<ReplicaRecord[]>;
  /**
   * Lists a replica, and keeps renewing it until withdrawn. Waits for a store that fails, for as long as it takes or
   * until the signal aborts. `onTrouble` hears of every write that failed: after a few of them the others hold the
   * replica for dead.
   */
  announce(record: ReplicaRecord, options?: AnnounceOptions): Promise<Announcement>;
}

export interface AnnounceOptions {
  readonly onTrouble?: (reason: unknown) => void;
  readonly signal?: AbortSignal;
}

export interface Announcement {
  update(change: { draining: boolean }): Promise<void>;
  withdraw(): Promise<void>;
}
