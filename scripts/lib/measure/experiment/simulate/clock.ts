import { EventQueue } from '../../event-queue.js';

/** The time of a simulation, seconds: it stands still while something happens, then jumps to what comes next. */
export class Clock {
  readonly #events = new EventQueue();
  #now = 0;

  get now(): number {
    return this.#now;
  }

  at(time: number, run: () => void): void {
    this.#events.push(Math.max(time, this.#now), run);
  }

  after(seconds: number, run: () => void): void {
    this.#events.push(this.#now + seconds, run);
  }

  /** Runs until `done`, or until this moment. */
  run(until: number, done: () => boolean): void {
    while (!done()) {
      const { next } = this.#events;
      if (next === undefined || next.at > until) return;
      this.#now = next.at;
      this.#events.pop();
      next.run();
    }
  }
}
