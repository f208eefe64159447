import { ServingError } from '../../services/lib/errors/serving-error.js';
import { decodeMessage, encodeParts } from '../../services/lib/wire/codec.js';
import type { Message } from '../../services/lib/wire/gen/stage_pb.js';
import type { MessageStream, StreamHandlers } from '../../services/lib/mesh/types.js';

/** Two ends of one stream within the process; messages cross as bytes, in order, in later microtasks. */
export function streamPair(): [MessageStream, MessageStream] {
  const ends = [new End(), new End()] as const;
  ends[0].other = ends[1];
  ends[1].other = ends[0];
  return [...ends];
}

class End implements MessageStream {
  other!: End;
  #handlers: StreamHandlers | null = null;
  #early: Message[] = [];
  #ended = false;

  send(message: Message): void {
    if (this.#ended) return;
    const bytes = Buffer.concat(encodeParts(message));
    queueMicrotask(() => this.other.#receive(decodeMessage(bytes)));
  }

  end(reason?: ServingError): void {
    this.#finish(reason ?? new ServingError('stream_broken', 'closed'));
    queueMicrotask(() =>
      this.other.#finish(reason ?? new ServingError('stream_broken', 'the other side ended the stream')),
    );
  }

  listen(handlers: StreamHandlers): void {
    this.#handlers = handlers;
    for (const message of this.#early.splice(0)) handlers.onMessage(message);
  }

  #receive(message: Message): void {
    if (this.#ended) return;
    if (this.#handlers === null) this.#early.push(message);
    else this.#handlers.onMessage(message);
  }

  #finish(reason: ServingError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#handlers?.onEnd(reason);
  }
}
