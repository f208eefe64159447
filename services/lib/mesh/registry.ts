import { setTimeout as delay } from 'node:timers/promises';
import { ServingError } from '../errors/serving-error.js';
import { parseAnnouncedPlan, type AnnouncedPlan } from './identity.js';
import type { AnnounceOptions, Announcement, DocumentStore, Registry, ReplicaRecord } from './types.js';

interface RegistryTiming {
  /** Between two renewals of an announcement, ms. */
  readonly renewMs: number;
  /** A record that has not been renewed for so long is dead, ms. */
  readonly expireMs: number;
}

const TIMING: RegistryTiming = { renewMs: 2_000, expireMs: 7_000 };
/**
 * Replicas of an app-id that renew at that pace. More of them renew the more slowly, and are held for living the longer:
 * their document, in whose changes only one wins, is written as often however many they are.
 */
const CROWD = 32;
/** That is when a dead one is listed for minutes. */
const SLOWEST = 32;

/** How many times more slowly than usual an app-id of so many replicas is renewed, and read. */
export const slownessOf = (replicas: number): number => Math.min(SLOWEST, Math.max(1, replicas / CROWD));
const MAX_ATTEMPTS = 20;
/** Before a first announcement that failed is tried again, ms; it doubles up to the time between renewals. */
const FIRST_PAUSE_MS = 100;

interface Entry {
  readonly address: string;
  readonly draining: boolean;
  readonly plan?: AnnouncedPlan | undefined;
  readonly furtherPlans?: readonly AnnouncedPlan[] | undefined;
  /** Rises with every renewal. */
  readonly beat: number;
  /** How many times more slowly than usual it is renewed; not said where it is not. */
  readonly slowness?: number | undefined;
}

/** The newest beat of a replica, and when our clock first saw it, ms. */
interface Seen {
  readonly beat: number;
  readonly at: number;
}

/**
 * The registry of replicas: one document per app-id, changed by compare-and-set.
 *
 * Whether a replica lives is told by its beat: a reader that has not seen it change for `expireMs` of its own
 * monotonic clock holds it for dead. Clocks of two machines are never compared, and no store's expiry is
 * trusted (a late writer could revive an expired record).
 */
export class DocumentRegistry implements Registry {
  readonly #store: DocumentStore;
  readonly #timing: RegistryTiming;
  /** By app-id and replica; of those that are listed. */
  readonly #seen = new Map<string, ReadonlyMap<string, Seen>>();

  constructor(store: DocumentStore, timing: RegistryTiming = TIMING) {
    this.#store = store;
    this.#timing = timing;
  }

  async list(appId: string): Promise<ReplicaRecord[]> {
    const { living } = await this.#read(appId);
    return living.map(([replica, { address, draining, plan, furtherPlans }]) => ({
      appId,
      replica,
      address,
      draining,
      plan: parseAnnouncedPlan(plan),
      ...(Array.isArray(furtherPlans) && {
        furtherPlans: furtherPlans.flatMap((each) => parseAnnouncedPlan(each) ?? []),
      }),
    }));
  }

  async announce(
    record: ReplicaRecord,
    { onTrouble = ignore, signal }: AnnounceOptions = {},
  ): Promise<Announcement> {
    const stopped = new AbortController();
    const { appId, replica, address, plan, furtherPlans } = record;
    let { draining } = record;
    let beat = 0;
    let slowness = 1;
    let turn = Promise.resolve();
    // Renewals and updates of one replica take turns, so that they do not race each other.
    const renew = (): Promise<void> =>
      (turn = turn
        .catch(() => undefined)
        .then(async () => {
          slowness = await this.#put(appId, replica, { address, draining, plan, furtherPlans, beat: ++beat });
        }));
    await this.#untilDone(renew, onTrouble, signal);
    const pauseMs = (): number => this.#timing.renewMs * slowness;
    const renewing = this.#renewForever(renew, pauseMs, onTrouble, stopped.signal);
    return {
      update: async (change) => {
        draining = change.draining;
        await renew();
      },
      withdraw: async () => {
        stopped.abort();
        await renewing;
        // An update that is still being written would list it again.
        await turn.catch(ignore);
        await this.#put(appId, replica, null);
      },
    };
  }

  /** A store that is broken when a process starts costs its readiness, not the process. */
  async #untilDone(
    write: () => Promise<void>,
    onTrouble: (reason: unknown) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, this.#timing.renewMs)) {
      signal?.throwIfAborted();
      try {
        await write();
        return;
      } catch (reason) {
        onTrouble(reason);
      }
      await delay(pauseMs, undefined, signal && { signal });
    }
  }

  /** A store that fails for a while costs renewals, not the process: the next one may succeed in time. */
  async #renewForever(
    renew: () => Promise<void>,
    pauseMs: () => number,
    onTrouble: (reason: unknown) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const pause = (): Promise<boolean> => delay(pauseMs(), true, { signal, ref: false }).catch(() => false);
    while (await pause()) await renew().catch(onTrouble);
  }

  /** Sets or removes one replica's entry, and removes those that have died. Returns how slowly to renew it. */
  async #put(appId: string, replica: string, entry: Entry | null): Promise<number> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const { living, etag } = await this.#read(appId);
      const others = living.filter(([id]) => id !== replica);
      const slowness = slownessOf(others.length);
      const own = entry && { ...entry, slowness: slowness > 1 ? slowness : undefined };
      const document = Object.fromEntries(own === null ? others : [...others, [replica, own]]);
      if (await this.#store.write(keyOf(appId), document, etag)) return slowness;
      await delay(Math.random() * 20 * (attempt + 1));
    }
    throw new ServingError('registry_conflict', `could not write the record of ${appId}/${replica}`);
  }

  /** The entries of those that live, and the version that they were read from. */
  async #read(appId: string): Promise<{ living: [string, Entry][]; etag: string | null }> {
    const found = await this.#store.read(keyOf(appId));
    const entries = entriesOf(found?.value);
    const now = performance.now();
    const before = this.#seen.get(appId);
    const seen = new Map(
      entries.map(([replica, { beat }]): [string, Seen] => {
        const last = before?.get(replica);
        return [replica, last?.beat === beat ? last : { beat, at: now }];
      }),
    );
    this.#seen.set(appId, seen);
    const living = entries.filter(
      ([replica, { slowness = 1 }]) => now - seen.get(replica)!.at < this.#timing.expireMs * slowness,
    );
    return { living, etag: found?.etag ?? null };
  }
}

const ignore = (): void => undefined;

const keyOf = (appId: string): string => `replicas-${appId}`;

/**
 * The replicas of one app-id's document, without what is no entry: another version's document must not stop this
 * process.
 */
function entriesOf(value: unknown): [string, Entry][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).filter((pair): pair is [string, Entry] => isEntry(pair[1]));
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false;
  const { address, draining, beat, slowness = 1 } = value as Partial<Record<keyof Entry, unknown>>;
  const isTimed =
    typeof beat === 'number' && typeof slowness === 'number' && slowness >= 1 && slowness <= SLOWEST;
  return typeof address === 'string' && typeof draining === 'boolean' && isTimed;
}
