import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

export interface EventStreamOptions {
  /** A comment line is sent after so long without an event, for proxies that close silent connections. */
  readonly keepAliveMs: number;
  /** A client that takes nothing for so long is cut off. */
  readonly stallMs: number;
}

const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  // Asks nginx and its kind not to collect the events into one piece.
  'x-accel-buffering': 'no',
};

/** An event as it goes over the wire. */
export const formatEvent = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;

/**
 * Server-sent events on an HTTP response. Several senders may share it: events are written whole. `signal`
 * must abort when the client goes away; it ends the wait for a slow one.
 */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #signal: AbortSignal;
  readonly #keepAlive: NodeJS.Timeout;
  #drained: Promise<unknown> | null = null;

  /** Sends the headers. */
  constructor(response: ServerResponse, signal: AbortSignal, options: EventStreamOptions) {
    this.#response = response;
    this.#signal = signal;
    response.writeHead(200, HEADERS).flushHeaders();
    response.setTimeout(options.stallMs, () => response.destroy());
    this.#keepAlive = setTimeout(() => this.#ping(), options.keepAliveMs).unref();
  }

  /** Resolves when the next event may be sent; rejects when the client is gone. */
  async send(data: object): Promise<void> {
    this.#signal.throwIfAborted();
    this.#keepAlive.refresh();
    if (this.#response.write(formatEvent(data))) return;
    this.#drained ??= once(this.#response, 'drain', { signal: this.#signal }).finally(() => {
      this.#drained = null;
    });
    await this.#drained;
  }

  /** The end that OpenAI's clients wait for. */
  end(): void {
    this.#response.end('data: [DONE]\n\n');
  }

  /** Stops the keep-alive; the response itself is left as it is. */
  close(): void {
    clearTimeout(this.#keepAlive);
  }

  #ping(): void {
    if (!this.#response.writableNeedDrain) this.#response.write(': keep-alive\n\n');
    this.#keepAlive.refresh();
  }
}
