import type { RequestRecord, RequestSummary } from '../telemetry/request-record.js';
import type { RequestTrace, RequestWatcher } from '../telemetry/request-trace.js';
import { NumberedRing } from './numbered-ring.js';

/** Requests that are kept once they are over. */
const KEPT = 128;

interface Over {
  /** The summary, written once. */
  readonly text: string;
  readonly record: RequestRecord;
}

/** As JSON: what is told of requests, of those that run first, then of those that are over, each the latest first. */
export interface RequestList {
  /** Where traces are looked at, with `{trace}` in the place of their ids; null where that is not known. */
  readonly trace_url: string | null;
  /** All that run, and the last that did; else what runs, and what has ended since the last one. */
  readonly whole: boolean;
  readonly requests: readonly RequestSummary[];
}

/** The requests that run, and the last that did. What is kept of them is figures, in a bounded ring. */
export class RequestLog implements RequestWatcher {
  readonly #running = new Set<RequestTrace>();
  readonly #over = new NumberedRing<Over>(KEPT);
  readonly #traceUrl: string | null;
  readonly #onEnded: (record: RequestRecord) => void;

  constructor(traceUrl: string | null, onEnded: (record: RequestRecord) => void = () => undefined) {
    this.#traceUrl = traceUrl;
    this.#onEnded = onEnded;
  }

  began(request: RequestTrace): void {
    this.#running.add(request);
  }

  ended(request: RequestTrace): void {
    if (!this.#running.delete(request)) return;
    const record = request.record();
    this.#over.add(() => ({ text: JSON.stringify(request.summary()), record }));
    this.#onEnded(record);
  }

  /** What `news` are asked after, to hear of what ends from now on. */
  get cursor(): string {
    return this.#over.lastId;
  }

  /** A whole RequestList. */
  list(): string {
    return this.#write(true, [...this.#running], this.#over.items);
  }

  /** A RequestList of what runs, as far as it is the latest, and of what has ended since the cursor. Null where there is neither. */
  news(cursor: string): string | null {
    const { items, missed } = this.#over.after(cursor);
    if (this.#running.size + items.length === 0) return null;
    return this.#write(missed, [...this.#running].slice(-KEPT), items);
  }

  #write(whole: boolean, running: readonly RequestTrace[], over: readonly Over[]): string {
    const told = [
      ...over.map(({ text }) => text),
      ...running.map((request) => JSON.stringify(request.summary())),
    ];
    const head = JSON.stringify({ trace_url: this.#traceUrl, whole });
    return `${head.slice(0, -1)},"requests":[${told.reverse().join()}]}`;
  }

  /** By its `x-request-id`: the latest where several were called alike. Null of one that is not kept. */
  find(id: string): RequestRecord | null {
    for (const request of [...this.#running].reverse()) {
      if (request.id === id) return request.record();
    }
    return this.#over.items.findLast(({ record }) => record.id === id)?.record ?? null;
  }
}
