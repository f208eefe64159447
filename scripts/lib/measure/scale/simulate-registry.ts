import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { announcedPlan } from '../../../../services/lib/mesh/identity.js';
import { DocumentRegistry, slownessOf } from '../../../../services/lib/mesh/registry.js';
import type { ReplicaRecord } from '../../../../services/lib/mesh/types.js';
import { createRandom } from '../../../../services/lib/sampling/random.js';
import { plan } from './simulated-mesh.js';
import { SimulatedStore, type StoreModel } from './simulated-store.js';
import { VirtualTime } from './virtual-time.js';

/** What the registry of one app-id does while all its replicas live. */
export interface RegistryFigures {
  /** Requests to the store, 1/s. */
  readonly operations: number;
  /** Of the store's time, from 0 to 1. */
  readonly busy: number;
  /** Documents there and back, bytes/s. */
  readonly bytes: number;
  /** Writes that were lost to another, for each one that was not. */
  readonly conflicts: number;
  /** Renewals that were given up, 1/s. */
  readonly failed: number;
  /** The most replicas that a reader held for dead at once, all of them being alive. */
  readonly heldForDead: number;
  /** From the start of the first replica until all were listed, s; null where that never came. */
  readonly listedSeconds: number | null;
}

/** All replicas start within so long, as in a rollout, ms. */
const START_MS = 10_000;
/** Then they have so long to settle, and are watched for so long, ms. */
const SETTLE_MS = 10_000;
const WATCH_MS = 30_000;
/** Between two looks of a caller at the registry (services/lib/mesh/link-manager.ts) of few replicas, ms. */
const LOOK_MS = 500;

/**
 * `replicas` of one app-id announce themselves to a modelled store by the services' own registry, and as many callers
 * and a gateway read it.
 */
export async function simulateRegistry(replicas: number, model: StoreModel): Promise<RegistryFigures> {
  const time = new VirtualTime();
  const ended = new AbortController();
  // Each replica and each reader listens.
  setMaxListeners(0, ended.signal);
  try {
    const random = createRandom(replicas);
    const store = new SimulatedStore(model, entryBytes(), random);
    let failed = 0;
    const onTrouble = (reason: unknown): void => {
      if (ServingError.from(reason).code === 'registry_conflict') failed++;
    };
    for (let index = 0; index < replicas; index++) {
      const announce = (): void => {
        const registry = new DocumentRegistry(store);
        // Who has not been listed by the end is stopped.
        registry.announce(recordOf(index), { onTrouble, signal: ended.signal }).catch(() => undefined);
      };
      time.at(random() * START_MS, announce);
    }
    const lookMs = LOOK_MS * slownessOf(replicas);
    for (let reader = 0; reader <= replicas; reader++)
      time.at(random() * lookMs, () => void readForever(store, lookMs, ended.signal));
    const observer = new Observer(store, replicas);
    time.at(0, () => void observer.run(ended.signal));

    await time.until(START_MS + SETTLE_MS);
    const before = store.counts;
    failed = 0;
    observer.missing = 0;
    await time.until(START_MS + SETTLE_MS + WATCH_MS);
    const seconds = WATCH_MS / 1_000;
    const [writes, conflicts] = [store.writes - before.writes, store.conflicts - before.conflicts];
    return {
      operations: (store.reads - before.reads + writes) / seconds,
      busy: (store.busyMs - before.busyMs) / WATCH_MS,
      bytes: (store.bytes - before.bytes) / seconds,
      conflicts: conflicts / Math.max(1, writes - conflicts),
      failed: failed / seconds,
      heldForDead: observer.missing,
      listedSeconds: observer.completeAt === null ? null : observer.completeAt / 1_000,
    };
  } finally {
    ended.abort();
    time.restore();
  }
}

/** A gateway that looks by the services' own registry, and counts who is not there. */
class Observer {
  missing = 0;
  completeAt: number | null = null;
  readonly #registry: DocumentRegistry;
  readonly #replicas: number;

  constructor(store: SimulatedStore, replicas: number) {
    this.#registry = new DocumentRegistry(store);
    this.#replicas = replicas;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const listed = await this.#registry.list(APP_ID);
      if (listed.length === this.#replicas) this.completeAt ??= performance.now();
      this.missing = Math.max(this.missing, this.#replicas - listed.length);
      await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function readForever(store: SimulatedStore, lookMs: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await store.read(`replicas-${APP_ID}`);
    await delay(lookMs, undefined, { signal }).catch(() => undefined);
  }
}

const APP_ID = 'stage-1';

const recordOf = (index: number): ReplicaRecord => ({
  appId: APP_ID,
  replica: index.toString(16).padStart(12, '0'),
  address: '127.0.0.1:20000',
  draining: false,
  plan: announcedPlan({ ...plan, modelDigest: 'd'.repeat(64), split: [10, 20, 30] }),
});

/** Of one replica in its app-id's document. */
function entryBytes(): number {
  const { replica, address, draining, plan: announced } = recordOf(0);
  return JSON.stringify({ [replica]: { address, draining, plan: announced, beat: 1_000 } }).length;
}
