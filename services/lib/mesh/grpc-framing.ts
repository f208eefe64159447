import { ServingError } from '../errors/serving-error.js';

/** Whether the message is compressed, which ours never are, and its length. */
const PREFIX_BYTES = 5;

/** So that activations, which a frame ends with, can be viewed where they lie. */
const ALIGNMENT = 8;

/** What goes before a message of so many bytes. */
export function prefixOf(length: number): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(length, 1);
  return prefix;
}

/**
 * Puts gRPC's length-prefixed messages together from what arrives (PROTOCOL-HTTP2.md of github.com/grpc/grpc). Each is
 * copied once, into memory of its own that ends on a boundary of 8 bytes: the chunks are views of what the session has
 * read for all its streams.
 */
export class MessageReader {
  readonly #mostBytes: number;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #message: Buffer | null = null;
  /** Bytes of the prefix, or of the message. */
  #filled = 0;

  /** `mostBytes` is the longest message that is taken. */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** The messages that are whole with this chunk. Throws `invalid_frame` for one that is compressed or too long. */
  push(chunk: Buffer): Buffer[] {
    const whole: Buffer[] = [];
    for (let at = 0; at < chunk.length;) {
      const target: Buffer = this.#message ?? this.#prefix;
      const copied = chunk.copy(target, this.#filled, at);
      at += copied;
      this.#filled += copied;
      if (this.#filled < target.length) break;
      this.#filled = 0;
      if (target === this.#prefix) this.#message = this.#newMessage();
      if (target !== this.#prefix || this.#message!.length === 0) {
        whole.push(this.#message!);
        this.#message = null;
      }
    }
    return whole;
  }

  #newMessage(): Buffer {
    const length = this.#prefix.readUInt32BE(1);
    if (this.#prefix[0] !== 0) throw new ServingError('invalid_frame', 'a compressed message');
    if (length > this.#mostBytes)
      throw new ServingError('invalid_frame', `a message of ${length} bytes, more than ${this.#mostBytes}`);
    const room = Math.ceil(length / ALIGNMENT) * ALIGNMENT;
    return Buffer.allocUnsafeSlow(room).subarray(room - length);
  }
}
