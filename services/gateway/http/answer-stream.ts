import type { Response } from 'express';
import { EventStream } from '../../lib/openai/event-stream.js';
import type { HttpLimits } from './gateway.js';
import { dialectOf } from './middleware/dialects.js';

/**
 * The stream that an answer will be. It begins when its sequences have their routes, or once its client has waited as long as
 * between two keep-alives: from then on it is shown that somebody is there. What goes wrong after that is an event, for a status by
 * which the client could try again has been sent; what is known at once, or within that time, keeps its own.
 */
export class AnswerStream {
  readonly #open: () => EventStream;
  readonly #early: NodeJS.Timeout;
  #events: EventStream | null = null;

  /** `signal` must abort when the client goes away; `onBegin` is called before the headers are sent. */
  constructor(response: Response, signal: AbortSignal, limits: HttpLimits, onBegin: () => void) {
    const dialect = dialectOf(response);
    this.#open = () => {
      onBegin();
      return new EventStream(response, dialect, signal, limits);
    };
    this.#early = setTimeout(() => this.begin(), limits.keepAliveMs).unref();
  }

  /** Sends the headers, if that has not been done. */
  begin(): EventStream {
    clearTimeout(this.#early);
    return (this.#events ??= this.#open());
  }

  /** Sends nothing by itself any more; the response is left as it is. */
  close(): void {
    clearTimeout(this.#early);
    this.#events?.close();
  }
}
