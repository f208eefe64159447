import { randomBytes } from 'node:crypto';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { Announcement, Registry } from '../../lib/mesh/types.js';

/** Where the registry lists processes that run responses in the background. */
const BACKGROUND = 'background';
/** How long a store may take to list one, ms. */
const PATIENCE_MS = 10_000;

/**
 * Which processes run responses in the background. One that has died tells nobody, so they are listed as replicas are, by beats;
 * and by a name of their own, for a pod's name outlives the process in it.
 */
export class Runners {
  /** Of this process. */
  readonly id = `runner-${randomBytes(9).toString('hex')}`;
  readonly #registry: Registry;
  #listed: Promise<Announcement> | null = null;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** Resolves once others can tell that this process lives. Throws `sidecar_missing` where that cannot be written. */
  async list(): Promise<void> {
    this.#listed ??= this.#announce();
    try {
      await this.#listed;
    } catch (cause) {
      this.#listed = null;
      throw new ServingError('sidecar_missing', 'the registry cannot be written', { cause });
    }
  }

  /** Whether that process lives, as far as is known: a dead one may be held for living for some seconds. */
  async lives(id: string): Promise<boolean> {
    if (id === this.id) return true;
    const listed = await this.#registry.list(BACKGROUND);
    return listed.some(({ replica }) => replica === id);
  }

  async close(): Promise<void> {
    // Who does not hear of it sees its beat end.
    await this.#listed?.then((announcement) => announcement.withdraw()).catch(() => undefined);
  }

  #announce(): Promise<Announcement> {
    const record = { appId: BACKGROUND, replica: this.id, address: 'none', draining: false };
    return this.#registry.announce(record, { signal: AbortSignal.timeout(PATIENCE_MS) });
  }
}
