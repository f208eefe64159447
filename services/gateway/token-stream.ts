import type { ServingError } from '../lib/errors/serving-error.js';

/**
 * The tokens of one sequence, a step's at a time, as a consumer pulls them: pulling some that have not come yet is
 * what asks the mesh for more, so a consumer that stops, or waits for a slow client, costs no further step.
 */
export class TokenStream implements AsyncIterableIterator<readonly number[]> {
  readonly #advance: () => boolean;
  readonly #onDone: () => void;
  readonly #arrived: (readonly number[])[] = [];
  #waiting: {
    resolve(result: IteratorResult<readonly number[]>): void;
    reject(reason: ServingError): void;
  } | null = null;
  #failure: ServingError | null = null;
  #done = false;

  /**
   * `advance` is called at each pull that finds no tokens waiting, and returns false when there is nothing more
   * to ask for; `onDone` once, when the stream is over or given up.
   */
  constructor(advance: () => boolean, onDone: () => void) {
    this.#advance = advance;
    this.#onDone = onDone;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** One step's tokens. */
  push(tokens: readonly number[]): void {
    if (this.#waiting === null) this.#arrived.push(tokens);
    else this.#settle().resolve({ done: false, value: tokens });
  }

  fail(reason: ServingError): void {
    if (this.#done) return;
    this.#failure = reason;
    this.#finish();
    if (this.#waiting !== null) this.#settle().reject(reason);
  }

  next(): Promise<IteratorResult<readonly number[]>> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#done) return this.return();
    const tokens = this.#arrived.shift();
    if (tokens !== undefined) return Promise.resolve({ done: false, value: tokens });
    if (!this.#advance()) return this.return();
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }

  return(): Promise<IteratorResult<readonly number[]>> {
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
