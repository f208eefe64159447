import { setTimeout as delay } from 'node:timers/promises';
import type { ServingError } from '../../lib/errors/serving-error.js';

/** The first try follows at once: most often another replica is there. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;
/**
 * Routes that may break one after the other without having brought a token, or a part of the prompt. A sequence that goes
 * through so many may be what breaks them, and must not be handed on for ever.
 */
const MAX_FRUITLESS_ROUTES = 6;
/** What breaks replicas does so soon: each route that lasted so long makes up for one that did not, ms. */
const SOUND_MS = 10_000;
/** And so many in all, however long they lasted. */
const MAX_ROUTES = 40;

/** Of what a prompt has cost so far, so much time may be spent on getting it back, and no more than so long, ms. */
const RETURN_PART = 1 / 4;
const LONGEST_RETURN_MS = 2_000;
/** Between two looks whether it is back, ms. */
const RETURN_LOOK_MS = 50;

/**
 * How long to wait for a replica that is lost, ms, when a prompt has been computed for `promptMs`: if only its sidecar, or
 * the network, was gone, it comes back with all that it has computed.
 */
export const returnMs = (promptMs: number): number => Math.min(LONGEST_RETURN_MS, promptMs * RETURN_PART);

/** Waits so long for a replica to come back, or until `signal` aborts. */
export async function awaitReturn(
  { replica, until }: LostReplica,
  reaches: (replica: string) => boolean,
  signal: AbortSignal,
): Promise<void> {
  for (let left = until - performance.now(); left > 0; left = until - performance.now()) {
    if (signal.aborted || reaches(replica)) return;
    await pauseFor(Math.min(RETURN_LOOK_MS, left), signal);
  }
}

/** One that may come back with what it has computed, and until when that is waited for (`performance.now()`). */
export interface LostReplica {
  readonly replica: string;
  readonly until: number;
}

/** What another route, or the same one a little later, can do away with. */
export const canReplay = ({ code }: ServingError): boolean =>
  code === 'stage_unavailable' || code === 'stream_broken';

/** A sequence that had to give way can go on, too, once there is room. */
export const isMendable = (reason: ServingError): boolean =>
  canReplay(reason) || reason.code === 'kv_exhausted';

/** How long a sequence without a route looks for one: pauses that double, up to a bound in all. Times in ms. */
export class Patience {
  readonly #totalMs: () => number;
  readonly #now: () => number;
  /** When the search began; null while there is a route. */
  #since: number | null = null;
  #pause = 0;
  /** Routes that broke, less those that were made up for. */
  #fruitless = 0;
  /** Routes that broke. */
  #broken = 0;
  /** The most that a route has begun with. */
  #cachedTokens = 0;

  /** `totalMs`: the bound, as of the call; `now`: a monotonic clock. */
  constructor(totalMs: () => number, now: () => number = () => performance.now()) {
    this.#totalMs = totalMs;
    this.#now = now;
  }

  /** How long to wait before the next try; null when there is to be none. */
  next(): number | null {
    const now = this.#now();
    this.#since ??= now;
    const left = this.#since + this.#totalMs() - now;
    if (left <= 0 || this.#fruitless >= MAX_FRUITLESS_ROUTES || this.#broken >= MAX_ROUTES) return null;
    const pause = Math.min(this.#pause, left);
    this.#pause = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, 2 * this.#pause));
    return pause;
  }

  /** Waits for the next try, or until `signal` aborts; false, at once, when there is to be none. */
  async pause(signal: AbortSignal): Promise<boolean> {
    const pause = this.next();
    if (pause !== null) await pauseFor(pause, signal);
    return pause !== null;
  }

  /**
   * A route has agreed, on which so many leading tokens are cached: the next trouble is another one, though pauses stay
   * long until a token comes. With more than any route before it, those have borne fruit.
   */
  agreed(cachedTokens: number): void {
    this.#since = null;
    if (cachedTokens <= this.#cachedTokens) return;
    this.#cachedTokens = cachedTokens;
    this.#boreFruit();
  }

  /** A route broke that had been open for so long, ms. */
  broke(openMs: number): void {
    this.#fruitless = Math.max(0, this.#fruitless - Math.floor(openMs / SOUND_MS)) + 1;
    this.#broken += 1;
  }

  /** A token came: all is well. */
  rewarded(): void {
    this.#since = null;
    this.#pause = 0;
    this.#boreFruit();
  }

  #boreFruit(): void {
    this.#fruitless = 0;
    this.#broken = 0;
  }
}

async function pauseFor(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds > 0) await delay(milliseconds, undefined, { signal, ref: false }).catch(() => undefined);
}
