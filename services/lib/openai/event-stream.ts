import type { ServerResponse } from 'node:http';
import type { Dialect, StreamEvent } from './dialect.js';

export interface EventStreamOptions {
  /** What means nothing is sent after so long without an event, for proxies that close silent connections. */
  readonly keepAliveMs: number;
  /** A client that does not take half of what it may be owed in so long, while its sender waits, is cut off. */
  readonly stallMs: number;
  /** What one client may be owed until its sender has to wait, bytes. */
  readonly owedBytes: number;
  /** What all clients are owed, of the streams that share these options. */
  readonly owed: OwedTotal;
}

/** Counts what clients have not taken yet. Beyond `limit` bytes in all, each may be owed a sixteenth of its bound. */
export class OwedTotal {
  readonly #limit: number;
  bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  boundOf(bytes: number): number {
    return this.bytes > this.#limit ? bytes / 16 : bytes;
  }
}

const HEADERS = {
  'cache-control': 'no-cache',
  // Asks nginx and its kind not to collect the events into one piece.
  'x-accel-buffering': 'no',
};

/**
 * A stream of events on an HTTP response, as a dialect frames them. Several senders may share it: events are written whole. What the client has not taken
 * yet is kept for it up to a bound, so that generation runs ahead of a slow one. `signal` must abort when the client goes away.
 */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #dialect: Dialect;
  readonly #signal: AbortSignal;
  readonly #options: EventStreamOptions;
  readonly #keepAlive: NodeJS.Timeout;
  #owed = 0;
  #waiting: { readonly promise: Promise<void>; readonly look: () => void } | null = null;

  /** Sends the headers. */
  constructor(response: ServerResponse, dialect: Dialect, signal: AbortSignal, options: EventStreamOptions) {
    this.#response = response;
    this.#dialect = dialect;
    this.#signal = signal;
    this.#options = options;
    response.writeHead(200, { 'content-type': dialect.framing.contentType, ...HEADERS }).flushHeaders();
    response.once('close', () => this.#taken(this.#owed));
    this.#keepAlive = setTimeout(() => this.#ping(), options.keepAliveMs).unref();
  }

  /** Throws when the client is gone. */
  send(events: readonly StreamEvent[]): void {
    this.#signal.throwIfAborted();
    if (events.length === 0) return;
    this.#keepAlive.refresh();
    const text = events.map((event) => this.#dialect.framing.frame(event)).join('');
    const bytes = Buffer.byteLength(text);
    this.#owed += bytes;
    this.#options.owed.bytes += bytes;
    this.#response.write(text, (error) => {
      // What a client that has gone is owed makes no room: its `close` is about to come.
      if (!error) this.#taken(bytes);
    });
  }

  /** Resolves when more may be sent: at once, unless the client is owed too much. Rejects when it is gone. */
  async room(): Promise<void> {
    this.#signal.throwIfAborted();
    if (this.#owed > this.#bound) await (this.#waiting ??= this.#wait()).promise;
  }

  /** With the mark of the end that the dialect's clients wait for. */
  end(): void {
    this.#response.end(this.#dialect.end);
  }

  /** Stops the keep-alive; the response itself is left as it is. */
  close(): void {
    clearTimeout(this.#keepAlive);
  }

  get #bound(): number {
    const { owed, owedBytes } = this.#options;
    return owed.boundOf(owedBytes);
  }

  /** Until half of the bound is taken: who reads a byte now and then would else be let on with each of them. */
  #wait(): { promise: Promise<void>; look: () => void } {
    let look = (): void => undefined;
    const promise = new Promise<void>((resolve, reject) => {
      const deadline = setTimeout(() => this.#response.destroy(), this.#options.stallMs).unref();
      const settle = (): void => {
        clearTimeout(deadline);
        this.#signal.removeEventListener('abort', gone);
        this.#waiting = null;
      };
      const gone = (): void => {
        settle();
        reject(this.#signal.reason as Error);
      };
      this.#signal.addEventListener('abort', gone, { once: true });
      look = () => {
        if (this.#owed > this.#bound / 2) return;
        settle();
        resolve();
      };
    });
    return { promise, look };
  }

  #taken(bytes: number): void {
    this.#owed -= bytes;
    this.#options.owed.bytes -= bytes;
    if (!this.#signal.aborted) this.#waiting?.look();
  }

  #ping(): void {
    if (this.#owed === 0 && !this.#response.writableEnded)
      this.#response.write(this.#dialect.framing.nothing);
    this.#keepAlive.refresh();
  }
}
