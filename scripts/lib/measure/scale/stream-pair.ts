import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import type { MessageStream, StreamHandlers } from '../../../../services/lib/mesh/types.js';
import { decodeMessage, encodeMessage } from '../../../../services/lib/wire/codec.js';
import type { Message } from '../../../../services/lib/wire/gen/stage_pb.js';

/** Takes what is sent, and calls `deliver` when it has arrived. */
type Carry = (bytes: Uint8Array, deliver: () => void) => void;

/** Two ends of one stream within the process; messages cross as bytes, in the order in which `carry` delivers them. */
export function streamPair(carry: Carry): [MessageStream, MessageStream] {
  const ends = [new End(carry), new End(carry)] as const;
  ends[0].other = ends[1];
  ends[1].other = ends[0];
  return [...ends];
}

class End implements MessageStream {
  other!: End;
  readonly #carry: Carry;
  #handlers: StreamHandlers | null = null;
  #early: Message[] = [];
  #ended = false;

  constructor(carry: Carry) {
    this.#carry = carry;
  }

  send(message: Message): void {
    if (this.#ended) return;
    const bytes = encodeMessage(message);
    this.#carry(bytes, () => this.other.#receive(decodeMessage(bytes)));
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
