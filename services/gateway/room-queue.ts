/** A sequence that waits for KV room. */
export interface RoomSeeker {
  /** Counts sequences in the order in which they came. */
  readonly order: number;
  /** Takes a route if there is room; false where there is none. */
  enter(): boolean;
  /** There has been no room for too long. */
  giveUp(): void;
}

/**
 * Sequences without a route, which are given one in the order in which they came: so those that had to give way go
 * before those that have not begun, and nobody is overtaken by one that needs less. Whoever comes last of those that
 * run gives way when room runs out, so the first always gets on.
 */
export class RoomQueue {
  readonly #patienceMs: number;
  readonly #now: () => number;
  /** The first to enter first. */
  readonly #waiting: RoomSeeker[] = [];
  #movedAt: number;
  #entering = false;

  /** How long the first one waits while nothing moves, ms; `now`: a monotonic clock. */
  constructor(patienceMs: number, now: () => number = () => performance.now()) {
    this.#patienceMs = patienceMs;
    this.#now = now;
    this.#movedAt = now();
  }

  get length(): number {
    return this.#waiting.length;
  }

  add(seeker: RoomSeeker): void {
    if (this.#waiting.includes(seeker)) return;
    if (this.#waiting.length === 0) this.#movedAt = this.#now();
    const after = this.#waiting.findIndex(({ order }) => order > seeker.order);
    this.#waiting.splice(after === -1 ? this.#waiting.length : after, 0, seeker);
    this.admit();
  }

  remove(seeker: RoomSeeker): void {
    const index = this.#waiting.indexOf(seeker);
    if (index !== -1) this.#waiting.splice(index, 1);
  }

  /** Something has got on, so that there will be room before long. */
  moved(): void {
    this.#movedAt = this.#now();
  }

  /** Lets in as many as there is room for; the first one gives up where nothing has moved for too long. */
  admit(): void {
    if (this.#entering) return; // Whoever fails while it enters leaves room: the loop goes on by itself.
    this.#entering = true;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      this.#waiting.shift();
      if (first.enter()) {
        this.moved();
      } else if (this.#now() - this.#movedAt >= this.#patienceMs) {
        this.moved();
        first.giveUp();
      } else {
        this.#waiting.unshift(first);
        break;
      }
    }
    this.#entering = false;
  }
}
