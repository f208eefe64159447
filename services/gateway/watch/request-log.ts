import type { RequestRecord } from '../telemetry/request-record.js';
import type { RequestTrace, RequestWatcher } from '../telemetry/request-trace.js';

/** Requests that are kept once they are over. */
const KEPT = 128;

/** The requests that run, and the last that did. What is kept of them is figures, in a bounded ring. */
export class RequestLog implements RequestWatcher {
  readonly #running = new Set<RequestTrace>();
  /** `text` is the summary, written once: the list is asked for by every page that is open. */
  readonly #over: { readonly text: string; readonly record: RequestRecord }[] = [];
  readonly #onEnded: (record: RequestRecord) => void;

  constructor(onEnded: (record: RequestRecord) => void = () => undefined) {
    this.#onEnded = onEnded;
  }

  began(request: RequestTrace): void {
    this.#running.add(request);
  }

  ended(request: RequestTrace): void {
    if (!this.#running.delete(request)) return;
    const record = request.record();
    this.#over.push({ text: JSON.stringify(request.summary()), record });
    if (this.#over.length > KEPT) this.#over.shift();
    this.#onEnded(record);
  }

  /** The summaries as a JSON array: what runs first, then what is over, each the latest first. */
  list(): string {
    const running = [...this.#running].reverse().map((request) => JSON.stringify(request.summary()));
    return `[${[...running, ...this.#over.toReversed().map(({ text }) => text)].join()}]`;
  }

  /** By its `x-request-id`: the latest where several were called alike. Null of one that is not kept. */
  find(id: string): RequestRecord | null {
    for (const request of [...this.#running].reverse()) {
      if (request.id === id) return request.record();
    }
    return this.#over.findLast(({ record }) => record.id === id)?.record ?? null;
  }
}
