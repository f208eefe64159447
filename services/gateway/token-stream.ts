import type { ServingError } from '../lib/errors/serving-error.js';

/**
 * The tokens of one sequence, as a consumer pulls them: pulling the next one is what asks the mesh for it, so
 * a consumer that stops, or waits for a slow client, costs no further step.
 */
export class TokenStream implements AsyncIterableIterator<number> {
  readonly #advance: (pulled: number) => boolean;
  readonly #onDone: () => void;
  readonly #arrived: number[] = [];
  #waiting: { resolve(result: IteratorResult<number>): void; reject(reason: ServingError): void } | null =
    null;
  #pulled = 0;
  #failure: ServingError | null = null;
  #done = false;

  /**
   * `advance(pulled)` is called at each pull with how many were pulled before, and returns false when there
   * is nothing more to ask for; `onDone` once, when the stream is over or given up.
   */
  constructor(advance: (pulled: number) => boolean, onDone: () => void) {
    this.#advance = advance;
    this.#onDone = onDone;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  push(token: number): void {
    if (this.#waiting === null) this.#arrived.push(token);
    else this.#settle().resolve({ done: false, value: token });
  }

  fail(reason: ServingError): void {
    if (this.#done) return;
    this.#failure = reason;
    this.#finish();
    if (this.#waiting !== null) this.#settle().reject(reason);
  }

  next(): Promise<IteratorResult<number>> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#done || !this.#advance(this.#pulled)) return this.return();
    this.#pulled++;
    const token = this.#arrived.shift();
    if (token !== undefined) return Promise.resolve({ done: false, value: token });
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }

  return(): Promise<IteratorResult<number>> {
    this.#finish();
    if (this.#waiting !== null) this.#settle().resolve({ done: true, value: undefined });
    return Promise.resolve({ done: true, value: undefined });
  }

  #settle() {
    const waiting = this.#waiting!;
    this.#waiting = null;
    return waiting;
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    this.#onDone();
  }
}
