import { pino } from 'pino';
import { Counter } from 'prom-client';
import {
  MeshBackend,
  type MeshBackendOptions,
} from '../../../../services/gateway/generation/mesh-backend.js';
import { accept, type CalleeLink, type StatusFields } from '../../../../services/lib/mesh/callee-link.js';
import type { AnnouncedPlan, Identity } from '../../../../services/lib/mesh/identity.js';
import type { Mesh, MessageStream, Registry, ReplicaRecord } from '../../../../services/lib/mesh/types.js';
import { message, type BodyOf, type MessageBody } from '../../../../services/lib/wire/codec.js';
import { streamPair } from '../../../support/stream-pair.js';

export const plan = { modelDigest: 'd', precision: 'f32', activations: 'f32', split: [1] };

/** A replica that holds links within the process, notes what comes over them, and says what a test tells it to. */
export class MemoryReplica {
  readonly appId: string;
  readonly replica: string;
  readonly opens: BodyOf<'open'>[] = [];
  readonly frames: BodyOf<'frame'>[] = [];
  /** As `sequence/epoch`. */
  readonly closes: string[] = [];
  /** The names of the blocks that each close said to keep. */
  readonly kept: string[][] = [];
  /** What it says of itself, beside the links that it was started with; heard with the next link or pong. */
  status: Partial<StatusFields> = {};
  /** As the registry lists it. */
  announced: AnnouncedPlan | undefined;
  onOpen: (open: BodyOf<'open'>) => void = () => undefined;
  onFrame: (frame: BodyOf<'frame'>) => void = () => undefined;
  readonly #nextReplicas: string[];
  readonly #links = new Set<CalleeLink>();

  constructor(appId: string, replica: string, nextReplicas: string[]) {
    this.appId = appId;
    this.replica = replica;
    this.#nextReplicas = nextReplicas;
  }

  take(stream: MessageStream): void {
    const identity: Identity = { appId: this.appId, replica: this.replica, host: 'here', pid: 7, plan };
    accept(stream, identity, () => this.#status(), {
      onLink: (link) => this.#links.add(link),
      onMessage: (_link, { body }) => {
        if (body.case === 'open') this.#opened(body.value);
        else if (body.case === 'close') this.#closed(body.value);
        else if (body.case === 'frame') this.#received(body.value);
      },
      onEnd: (link) => this.#links.delete(link),
    });
  }

  send(body: MessageBody): void {
    for (const link of this.#links) link.send(message(body));
  }

  endLinks(): void {
    for (const link of this.#links) link.close();
  }

  #opened(open: BodyOf<'open'>): void {
    this.opens.push(open);
    this.onOpen(open);
  }

  #closed({ sequence, epoch, prefix }: BodyOf<'close'>): void {
    this.closes.push(`${sequence}/${epoch}`);
    this.kept.push(prefix);
  }

  #received(frame: BodyOf<'frame'>): void {
    this.frames.push(frame);
    this.onFrame(frame);
  }

  #status(): StatusFields {
    return {
      draining: false,
      sequences: 0,
      kvUsed: 0,
      kvCapacity: 100,
      busyRatio: 0,
      rssBytes: 0,
      nextReplicas: this.#nextReplicas,
      enginesAfter: [],
      ...this.status,
    };
  }
}

/** A mesh of such replicas. */
export class MemoryMesh implements Mesh {
  readonly kind = 'direct';
  readonly #replicas: MemoryReplica[] = [];
  readonly registry: Registry = {
    list: (appId) =>
      Promise.resolve(
        this.#replicas
          .filter((replica) => replica.appId === appId)
          .map(({ replica, announced: plan }) => ({ appId, replica, address: '', draining: false, plan })),
      ),
    announce: () => Promise.reject(new Error('a backend announces nothing')),
  };

  start(appId: string, replica: string, nextReplicas: string[] = []): MemoryReplica {
    const started = new MemoryReplica(appId, replica, nextReplicas);
    this.add(started);
    return started;
  }

  /** One that was stopped comes back. */
  add(replica: MemoryReplica): void {
    this.#replicas.push(replica);
  }

  /** It dies: nobody finds it any more. */
  stop(replica: MemoryReplica): void {
    this.#replicas.splice(this.#replicas.indexOf(replica), 1);
    replica.endLinks();
  }

  open({ appId, replica }: ReplicaRecord): MessageStream {
    const [near, far] = streamPair();
    this.#replicas.find((other) => other.appId === appId && other.replica === replica)!.take(far);
    return near;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Labels are reasons. */
export const reroutesCounter = (): Counter<'reason'> =>
  new Counter({ name: 'reroutes', help: 'h', labelNames: ['reason'], registers: [] });

/** A gateway over two stages of one layer each, `stage-0` and the head: without drafts, and with all the patience a test may need. */
export const backendOver = (mesh: MemoryMesh, options: Partial<MeshBackendOptions> = {}): MeshBackend =>
  new MeshBackend({
    mesh,
    identity: { appId: 'gateway', replica: 'g', host: 'here', pid: 1, plan },
    model: 'm',
    ranges: [
      { start: 0, end: 1, layers: 2 },
      { start: 1, end: 2, layers: 2 },
    ],
    prefillChunk: 512,
    prefillChunkAlone: 64,
    scoreChunk: 3,
    stepTimeoutMs: 60_000,
    patienceMs: 60_000,
    reroutes: reroutesCounter(),
    speculation: null,
    prefixCache: true,
    log: pino({ level: 'silent' }),
    nameSuffix: () => '',
    ...options,
  });
