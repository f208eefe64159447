import type { Response } from 'express';
import { EventStream } from '../../lib/openai/event-stream.js';
import type { HttpLimits } from './gateway.js';
import { dialectOf } from './middleware/dialects.js';

/**
 * The stream that an answer will be. It begins when its sequences have their routes, or, where the dialect lets it, once its client
 * has waited as long as between two keep-alives: from then on it is shown that somebody is there.
 */
export class AnswerStream {
  readonly #open: () => EventStream;
  readonly #early: NodeJS.Timeout | undefined;
  #events: EventStream | null = null;

  /** `signal` must abort when the client goes away; `onBegin` is called before the headers are sent. */
  constructor(response: Response, signal: AbortSignal, limits: HttpLimits, onBegin: () => void) {
    const dialect = dialectOf(response);
    this.#open = () => {
      onBegin();
      return new EventStream(response, dialect, signal, limits);
    };
    if (dialect.beginsEarly) this.#early = setTimeout(() => this.begin(), limits.keepAliveMs).unref();
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
