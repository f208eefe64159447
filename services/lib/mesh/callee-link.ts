import { create } from '@bufbuild/protobuf';
import { ServingError } from '../errors/serving-error.js';
import { message, PROTOCOL_VERSION } from '../wire/codec.js';
import { frameCost } from '../wire/frames.js';
import {
  StatusSchema,
  type EngineInfo,
  type Message,
  type Status,
  type StepTotals,
} from '../wire/gen/stage_pb.js';
import { LINK_TIMING, type LinkTiming } from './caller-link.js';
import { checkHello, type Identity } from './identity.js';
import type { MessageStream } from './types.js';

/** Bytes of frames that a caller may have sent and we not yet consumed. */
const WINDOW_BYTES = 8 << 20;

/** Credit goes back in lumps, so that it costs no message per frame. */
const CREDIT_LUMP_BYTES = WINDOW_BYTES / 8;

/** A caller sends while any credit is left, so its last frame may pass the window by one whole message. */
const OVERRUN_BYTES = 16 << 20;

/** The fields of a message as they are set. */
type Fields<Message> = Omit<Message, '$typeName' | '$unknown'>;

export type StatusFields = Omit<Fields<Status>, Nested | keyof Optional> &
  Partial<Optional> & {
    readonly engine?: Fields<EngineInfo>;
    readonly enginesAfter: Fields<EngineInfo>[];
    readonly prefill?: Fields<StepTotals>;
    readonly decode?: Fields<StepTotals>;
  };

type Nested = 'engine' | 'enginesAfter' | 'prefill' | 'decode';

type Optional = Pick<Fields<Status>, 'hopSeconds' | 'stepSeconds'>;

export interface CalleeLinkEvents {
  onLink(link: CalleeLink): void;
  /** `open`, `frame` and `close`. */
  onMessage(link: CalleeLink, message: Message): void;
  onEnd(link: CalleeLink, reason: ServingError): void;
  /** Somebody was not welcomed; why is for our own log. */
  onRefused?(reason: ServingError): void;
}

/** The side of a link that was called: receives sequences and frames, grants credit, answers pings. */
export class CalleeLink {
  readonly appId: string;
  readonly replica: string;
  /** Of the link's own trace; empty where it has none. */
  readonly traceparent: string;
  readonly #stream: MessageStream;
  #held = 0;
  #owed = 0;

  /** For `accept`: a link exists only once its caller has said who it is. */
  constructor(stream: MessageStream, caller: { appId: string; replica: string; traceparent: string }) {
    this.appId = caller.appId;
    this.replica = caller.replica;
    this.traceparent = caller.traceparent;
    this.#stream = stream;
  }

  send(value: Message): void {
    this.#stream.send(value);
  }

  /** Frames of so many bytes no longer fill our memory: the caller may send as many anew. */
  consumed(bytes: number): void {
    this.#held -= bytes;
    this.#owed += bytes;
    if (this.#owed < CREDIT_LUMP_BYTES && this.#held > 0) return;
    this.#stream.send(message({ case: 'credit', value: { bytes: this.#owed } }));
    this.#owed = 0;
  }

  close(reason?: ServingError): void {
    this.#stream.end(reason);
  }

  /** For `accept`: books a frame against the window. */
  hold(bytes: number): void {
    this.#held += bytes;
    if (this.#held > WINDOW_BYTES + OVERRUN_BYTES) {
      this.close(new ServingError('protocol_mismatch', `${this.#held} bytes were sent without credit`));
    }
  }
}

/** Waits for `Hello` on a stream that somebody opened to us, and answers `Welcome` or a refusal. */
export function accept(
  stream: MessageStream,
  identity: Identity,
  status: () => StatusFields,
  events: CalleeLinkEvents,
  timing: LinkTiming = LINK_TIMING,
): void {
  let link: CalleeLink | null = null;
  const patience = setTimeout(
    () => stream.end(new ServingError('stream_broken', 'no hello in time')),
    timing.handshakeMs,
  );
  stream.listen({
    onMessage: (value) => {
      const { body } = value;
      if (link === null) {
        clearTimeout(patience);
        link = welcome(stream, value, identity, status, events);
        if (link !== null) events.onLink(link);
      } else if (body.case === 'ping') {
        const pong = { nonce: body.value.nonce, status: create(StatusSchema, status()) };
        stream.send(message({ case: 'pong', value: pong }));
      } else {
        if (body.case === 'frame') link.hold(frameCost(body.value));
        events.onMessage(link, value);
      }
    },
    onEnd: (reason) => {
      clearTimeout(patience);
      if (link !== null) events.onEnd(link, reason);
    },
  });
}

function welcome(
  stream: MessageStream,
  { body }: Message,
  identity: Identity,
  status: () => StatusFields,
  events: CalleeLinkEvents,
): CalleeLink | null {
  try {
    if (body.case !== 'hello') throw new ServingError('protocol_mismatch', `${body.case} before hello`);
    checkHello(body.value, identity.plan);
  } catch (error) {
    events.onRefused?.(ServingError.from(error));
    // Whoever it is learns nothing of what is served here.
    stream.end(new ServingError('protocol_mismatch', 'not what is served here'));
    return null;
  }
  const { appId, replica, host, pid } = identity;
  const value = { version: PROTOCOL_VERSION, appId, replica, host, pid, creditBytes: WINDOW_BYTES };
  stream.send(message({ case: 'welcome', value: { ...value, status: create(StatusSchema, status()) } }));
  return new CalleeLink(stream, body.value);
}
