import { ServingError } from '../errors/serving-error.js';
import { message } from '../wire/codec.js';
import { frameCost } from '../wire/frames.js';
import type { Frame, Message, Status, Welcome } from '../wire/gen/stage_pb.js';
import { introduce, type Identity } from './identity.js';
import type { MessageStream } from './types.js';

export interface LinkTiming {
  /** How long the other side may take to say `Welcome` (or `Hello`), ms. */
  readonly handshakeMs: number;
  /** Between two pings, ms. */
  readonly pingMs: number;
  /** Unanswered pings after which the link is given up: a process that hangs does not close its streams. */
  readonly maxMissed: number;
}

/** Of one more ping. One that meets a long frame on its way says little. */
const PART_OF_MEAN = 1 / 4;

export const LINK_TIMING: LinkTiming = { handshakeMs: 5_000, pingMs: 2_000, maxMissed: 3 };

export interface CallerLinkEvents {
  /** `opened`, `tokens`, `failed` and `drain`. */
  onMessage(link: CallerLink, message: Message): void;
  onEnd(link: CallerLink, reason: ServingError): void;
  /** The link was congested and has room again. */
  onRoom?(link: CallerLink): void;
  /** The replicas that it holds links to have changed: it has told so unasked. */
  onNews?(link: CallerLink): void;
  /** A pong came back after so many seconds. */
  onRoundTrip?(seconds: number): void;
}

/** The side of a link that calls: sends sequences and frames, as fast as the callee grants credit. */
export class CallerLink {
  readonly appId: string;
  readonly replica: string;
  readonly host: string;
  readonly pid: number;
  /** As of the last pong. */
  status: Status;
  /** Half of a ping's round trip, mean of the last ones, seconds; 0 before the first. */
  hopSeconds = 0;

  readonly #stream: MessageStream;
  readonly #events: CallerLinkEvents;
  readonly #timing: LinkTiming;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #waiting: Frame[] = [];
  #credit: number;
  #nonce = 0;
  #pinged: { nonce: number; at: number } | null = null;
  #missed = 0;
  #ended = false;

  /** For `connect`: a link exists only once it has been welcomed. */
  constructor(stream: MessageStream, welcome: Welcome, events: CallerLinkEvents, timing: LinkTiming) {
    this.appId = welcome.appId;
    this.replica = welcome.replica;
    this.host = welcome.host;
    this.pid = welcome.pid;
    this.status = welcome.status!;
    this.#credit = welcome.creditBytes;
    this.#stream = stream;
    this.#events = events;
    this.#timing = timing;
    this.#heartbeat = setInterval(() => this.#ping(), timing.pingMs).unref();
    this.#ping();
  }

  get draining(): boolean {
    return this.status.draining;
  }

  /** False once the stream is over, from either side. */
  get alive(): boolean {
    return !this.#ended;
  }

  /** Frames wait for credit: whoever produces more should pause until `onRoom`. */
  get congested(): boolean {
    return this.#waiting.length > 0;
  }

  /** Sends anything but a frame; these are small and few, and never wait. */
  send(value: Message): void {
    this.#stream.send(value);
  }

  sendFrame(frame: Frame): void {
    this.#waiting.push(frame);
    this.#flush();
  }

  close(reason?: ServingError): void {
    clearInterval(this.#heartbeat);
    this.#stream.end(reason);
  }

  /** For `connect`, which owns the stream's handlers. */
  receive(value: Message): void {
    const { body } = value;
    if (body.case === 'credit') {
      this.#grant(body.value.bytes);
    } else if (body.case === 'pong') {
      this.#ponged(body.value.nonce, body.value.status);
    } else {
      if (body.case === 'drain') this.status.draining = true;
      this.#events.onMessage(this, value);
    }
  }

  /** For `connect`. */
  ended(reason: ServingError): void {
    this.#ended = true;
    clearInterval(this.#heartbeat);
    this.#events.onEnd(this, reason);
  }

  /** A frame goes out while any credit is left, so one larger than the whole window is still possible. */
  #flush(): void {
    while (this.#credit > 0) {
      const frame = this.#waiting.shift();
      if (frame === undefined) return;
      this.#credit -= frameCost(frame);
      this.#stream.send(message({ case: 'frame', value: frame }));
    }
  }

  #grant(bytes: number): void {
    const waited = this.#waiting.length;
    this.#credit += bytes;
    this.#flush();
    if (waited > 0 && this.#waiting.length === 0) this.#events.onRoom?.(this);
  }

  #ping(): void {
    if (this.#pinged !== null && ++this.#missed >= this.#timing.maxMissed) {
      this.close(new ServingError('stream_broken', `${this.appId}/${this.replica} does not answer`));
      return;
    }
    this.#pinged = { nonce: ++this.#nonce, at: performance.now() };
    this.#stream.send(message({ case: 'ping', value: { nonce: this.#nonce } }));
  }

  #ponged(nonce: number, status: Status | undefined): void {
    this.#missed = 0;
    if (status !== undefined) this.status = status;
    if (nonce === 0) this.#events.onNews?.(this);
    if (this.#pinged?.nonce !== nonce) return;
    const seconds = (performance.now() - this.#pinged.at) / 1000;
    this.hopSeconds += this.hopSeconds === 0 ? seconds / 2 : PART_OF_MEAN * (seconds / 2 - this.hopSeconds);
    this.#events.onRoundTrip?.(seconds);
    this.#pinged = null;
  }
}

/**
 * Says `Hello` on a fresh stream, or one that the callee has opened, and waits for `Welcome`. Rejects with the callee's refusal
 * (`protocol_mismatch`), or with `stream_broken` when it ends or takes too long.
 */
export function connect(
  stream: MessageStream,
  identity: Identity,
  events: CallerLinkEvents,
  { timing = LINK_TIMING, traceparent = '' }: { timing?: LinkTiming; traceparent?: string } = {},
): Promise<CallerLink> {
  return new Promise((resolve, reject) => {
    let link: CallerLink | null = null;
    const patience = setTimeout(
      () => stream.end(new ServingError('stream_broken', 'no welcome in time')),
      timing.handshakeMs,
    );
    stream.listen({
      onMessage: (value) => {
        if (link !== null) {
          link.receive(value);
        } else if (value.body.case === 'welcome' && value.body.value.status !== undefined) {
          clearTimeout(patience);
          link = new CallerLink(stream, value.body.value, events, timing);
          resolve(link);
        } else {
          stream.end(new ServingError('protocol_mismatch', `${value.body.case} before welcome`));
        }
      },
      onEnd: (reason) => {
        clearTimeout(patience);
        if (link !== null) link.ended(reason);
        else reject(reason);
      },
    });
    stream.send(message({ case: 'hello', value: introduce(identity, traceparent) }));
  });
}
