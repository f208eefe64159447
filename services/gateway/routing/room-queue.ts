import { ServingError } from '../../lib/errors/serving-error.js';

/** Whose turn it is: of two that wait, who has begun goes first, then who came first. */
export interface Turn {
  /** Counts sequences in the order in which they came. */
  readonly order: number;
  /** Some of its answer is there: it has had to give way, and is never refused for want of room. */
  readonly begun: boolean;
}

/** A sequence that waits for KV room. */
interface Seeker extends Turn {
  /** Goes in if there is room; false where there is none. */
  enter(): boolean;
  giveUp(reason: ServingError): void;
}

/**
 * Sequences without a route, which are given one in the order in which they came, those that had to give way before
 * those that have not begun, and nobody is overtaken by one that needs less. Whoever comes last of those that
 * run gives way when room runs out, so the first always gets on.
 */
export class RoomQueue {
  readonly #patienceMs: number;
  readonly #now: () => number;
  /** The first to enter first. */
  readonly #waiting: Seeker[] = [];
  #movedAt: number;
  #entering = false;

  /** How long the first that has not begun waits while nothing moves, ms; `now`: a monotonic clock. */
  constructor(patienceMs: number, now: () => number = () => performance.now()) {
    this.#patienceMs = patienceMs;
    this.#now = now;
    this.#movedAt = now();
  }

  get length(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves with what `take` gives as soon as that is not null, for no room, and nobody waits whose turn is before.
   * Rejects with what it throws, with the signal's reason, or, where it has not begun, with `kv_exhausted` when nothing
   * has moved for too long. One that has begun waits as long as its signal lets it: the room may be that of other
   * gateways' sequences, whose moves nobody hears of here, and its client has been promised the rest.
   */
  enter<Place>({ order, begun }: Turn, take: () => Place | null, signal: AbortSignal): Promise<Place> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#remove(seeker);
        reject(signal.reason as Error);
      };
      const seeker: Seeker = {
        order,
        begun,
        enter: () => {
          try {
            const place = take();
            if (place === null) return false;
            resolve(place);
          } catch (error) {
            reject(ServingError.from(error));
          }
          signal.removeEventListener('abort', abort);
          return true;
        },
        giveUp: (reason) => {
          signal.removeEventListener('abort', abort);
          reject(reason);
        },
      };
      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) abort();
      else this.#add(seeker);
    });
  }

  /** Something has got on, so that there will be room before long. */
  moved(): void {
    this.#movedAt = this.#now();
  }

  /** Lets in as many as there is room for; the first that has not begun gives up where nothing has moved for too long. */
  admit(): void {
    if (this.#entering) return; // Whoever fails while it enters leaves room: the loop goes on by itself.
    this.#entering = true;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      this.#waiting.shift();
      if (first.enter()) {
        this.moved();
      } else {
        this.#waiting.unshift(first);
        if (!this.#giveUpOne()) break;
      }
    }
    this.#entering = false;
  }

  /** False where nobody's patience is over. */
  #giveUpOne(): boolean {
    if (this.#now() - this.#movedAt < this.#patienceMs) return false;
    const index = this.#waiting.findIndex(({ begun }) => !begun);
    if (index === -1) return false;
    const [impatient] = this.#waiting.splice(index, 1);
    this.moved();
    impatient!.giveUp(new ServingError('kv_exhausted', 'no room has become free for its keys and values'));
    return true;
  }

  #add(seeker: Seeker): void {
    if (this.#waiting.length === 0) this.#movedAt = this.#now();
    const after = this.#waiting.findIndex((other) => isBefore(seeker, other));
    this.#waiting.splice(after === -1 ? this.#waiting.length : after, 0, seeker);
    this.admit();
  }

  #remove(seeker: Seeker): void {
    const index = this.#waiting.indexOf(seeker);
    if (index !== -1) this.#waiting.splice(index, 1);
  }
}

const isBefore = (one: Turn, other: Turn): boolean =>
  one.begun === other.begun ? one.order < other.order : one.begun;
