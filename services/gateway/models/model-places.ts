import { permit, type Admission, type Permit } from '../admission.js';

/** The places that sequences of one model have and wait for, out of those that all models of a gateway share. */
export class ModelPlaces {
  readonly #shared: Pick<Admission, 'acquire'>;
  #running = 0;
  #waiting = 0;

  constructor(shared: Pick<Admission, 'acquire'>) {
    this.#shared = shared;
  }

  /** Sequences that were let in and are not over. */
  get running(): number {
    return this.#running;
  }

  /** Sequences that wait to be let in. */
  get waiting(): number {
    return this.#waiting;
  }

  /** As `Admission.acquire`, which grants the places. */
  async acquire(count: number, signal: AbortSignal, priority?: number, param?: string): Promise<Permit> {
    this.#waiting += count;
    let places: Permit;
    try {
      places = await this.#shared.acquire(count, signal, priority, param);
    } finally {
      this.#waiting -= count;
    }
    this.#running += count;
    return permit(() => {
      this.#running -= count;
      places.release();
    });
  }
}
