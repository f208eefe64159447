import type { CallerLink } from '../../lib/mesh/caller-link.js';
import { packFrames, type Rows } from '../../lib/wire/frames.js';

/**
 * Collects what leaves for stage 0 during one turn of the event loop, so that the next steps of all sequences
 * whose tokens arrived together leave together, and are computed together.
 */
export class Outbox {
  readonly #rows = new Map<CallerLink, Rows[]>();

  add(link: CallerLink, rows: Rows): void {
    if (this.#rows.size === 0) setImmediate(() => this.#flush());
    const waiting = this.#rows.get(link);
    if (waiting === undefined) this.#rows.set(link, [rows]);
    else waiting.push(rows);
  }

  #flush(): void {
    for (const [link, rows] of this.#rows) for (const frame of packFrames(rows)) link.sendFrame(frame);
    this.#rows.clear();
  }
}
