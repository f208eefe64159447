import { timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ServingError } from '../../lib/errors/serving-error.js';
import { digestOf, MAX_BYTES, parseKeyList } from './key-list.js';
import { Tenant, type TenantSettings } from './tenant.js';

/** Whose each key is. */
export class KeyRing {
  #tenants: ReadonlyMap<string, Tenant> = new Map();
  #keys: readonly (readonly [digest: Buffer, owner: Tenant])[] = [];

  constructor(list: readonly TenantSettings[]) {
    this.replace(list);
  }

  get size(): number {
    return this.#keys.length;
  }

  /** Who has this key. It is compared with every one, whichever is right, so that the time tells nothing. */
  find(shown: string): Tenant | null {
    const digest = digestOf(shown);
    let found: Tenant | null = null;
    for (const [known, owner] of this.#keys) if (timingSafeEqual(known, digest)) found = owner;
    return found;
  }

  /** From now on these. A tenant of the same name goes on with what it has used, whatever its keys are now. */
  replace(list: readonly TenantSettings[]): void {
    const tenants = new Map(
      list.map((settings) => {
        const known = this.#tenants.get(settings.name);
        known?.become(settings);
        return [settings.name, known ?? new Tenant(settings)] as const;
      }),
    );
    this.#tenants = tenants;
    this.#keys = list.flatMap(({ name, digests }) =>
      digests.map((digest) => [digest, tenants.get(name)!] as const),
    );
  }
}

/** Where a list of keys is, and how often to look whether it has changed. */
export interface KeySource {
  readonly lookMs: number;
  /** The list's text. Rejects where there is none, and when the signal aborts. */
  read(signal: AbortSignal): Promise<string>;
}

/** The ring of what the source holds, which it follows until the signal aborts. Throws what is wrong with the first list. */
export async function openKeyRing(
  source: KeySource,
  log: Pick<Logger, 'info' | 'warn'>,
  signal: AbortSignal,
): Promise<KeyRing> {
  const text = await source.read(signal);
  const ring = new KeyRing(parseKeyList(text));
  void follow(ring, source, text, log, signal);
  return ring;
}

/** What cannot be read or taken leaves the keys as they are, and is warned of once. */
async function follow(
  ring: KeyRing,
  source: KeySource,
  first: string,
  log: Pick<Logger, 'info' | 'warn'>,
  signal: AbortSignal,
): Promise<void> {
  let taken = first;
  let told = '';
  while (!signal.aborted) {
    try {
      await delay(source.lookMs, undefined, { signal, ref: false });
      const text = await source.read(signal);
      told = '';
      if (text === taken) continue;
      taken = text;
      ring.replace(parseKeyList(text));
      log.info({ keys: ring.size }, 'the keys have changed');
    } catch (error) {
      const { message } = ServingError.from(error);
      // Told to stop, it has nothing to complain of.
      if (message !== told && (error as Error).name !== 'AbortError')
        log.warn(`${message}; the keys stay as they were`);
      told = message;
    }
  }
}

const FILE_LOOK_MS = 2_000;
/** A file that is being written is another a moment later. */
const SETTLE_MS = 50;
const SETTLE_TRIES = 20;

/**
 * By what it holds and not by its date: a Secret that is mounted is replaced by another link, which no watch is told of.
 * What is still being written is not taken for whole.
 */
export function keyFile(path: string): KeySource {
  const readOnce = async (): Promise<string> => {
    const found = await stat(path).catch((cause: unknown) => {
      throw unreadable(path, 'cannot be read', cause);
    });
    if (!found.isFile() || found.size > MAX_BYTES) {
      throw unreadable(path, `is no file of at most ${MAX_BYTES} bytes`);
    }
    return readFile(path, 'utf8');
  };
  return {
    lookMs: FILE_LOOK_MS,
    async read(signal) {
      let text = await readOnce();
      for (let tries = 0; tries < SETTLE_TRIES; tries += 1) {
        await delay(SETTLE_MS, undefined, { signal });
        const again = await readOnce();
        if (again === text) return text;
        text = again;
      }
      throw unreadable(path, 'is being written without end');
    },
  };
}

const unreadable = (path: string, problem: string, cause?: unknown): ServingError =>
  new ServingError('invalid_config', `the file of keys ${path} ${problem}`, { cause });
