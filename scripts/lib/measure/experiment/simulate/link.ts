import type { Clock } from './clock.js';
import type { Hop } from './hop.js';

/** What a link may have under way or waiting at its end (services/lib/mesh/callee-link.ts), bytes. */
const WINDOW_BYTES = 8 << 20;

interface Frame {
  readonly bytes: number;
  readonly arrived: () => void;
}

/**
 * A link between two replicas. Its frames keep their order, and share its bandwidth; one goes out while any credit is left, so a
 * slow stage slows those before it. Credit comes back at once, where the real one takes a hop.
 */
export class Link {
  readonly #clock: Clock;
  readonly #hop: Hop;
  readonly #onRoom: () => void;
  readonly #waiting: Frame[] = [];
  #credit = WINDOW_BYTES;
  /** When the last frame will have left. */
  #free = 0;

  /** `onRoom`: it was congested and is no longer. */
  constructor(clock: Clock, hop: Hop, onRoom: () => void) {
    this.#clock = clock;
    this.#hop = hop;
    this.#onRoom = onRoom;
  }

  /** Frames wait for credit. */
  get congested(): boolean {
    return this.#waiting.length > 0;
  }

  send(frame: Frame): void {
    this.#waiting.push(frame);
    this.#flush();
  }

  /** Whoever receives has taken so many bytes. */
  consumed(bytes: number): void {
    this.#credit += bytes;
    const before = this.#waiting.length;
    this.#flush();
    if (before > 0 && this.#waiting.length === 0) this.#onRoom();
  }

  #flush(): void {
    const { baseMs, msPerMB } = this.#hop;
    while (this.#credit > 0 && this.congested) {
      const { bytes, arrived } = this.#waiting.shift()!;
      this.#credit -= bytes;
      this.#free = Math.max(this.#free, this.#clock.now) + (bytes / 1e6) * (msPerMB / 1e3);
      this.#clock.at(this.#free + baseMs / 1e3, arrived);
    }
  }
}
