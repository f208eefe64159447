import { create } from '@bufbuild/protobuf';
import { ServingError } from '../errors/serving-error.js';
import { message, PROTOCOL_VERSION } from '../wire/codec.js';
import { frameCost } from '../wire/frames.js';
import {
  StatusSchema,
  type EngineInfo,
  type Hello,
  type Message,
  type Status,
  type StepTotals,
} from '../wire/gen/stage_pb.js';
import { LINK_TIMING, type LinkTiming } from './caller-link.js';
import { misfitOf, type AgreedPlan, type Identity } from './identity.js';
import type { MessageStream } from './types.js';

/** Bytes of frames that a caller may have sent and we not yet consumed. */
const WINDOW_BYTES = 8 << 20;

/** Credit goes back in lumps, so that it costs no message per frame. */
const CREDIT_LUMP_BYTES = WINDOW_BYTES / 8;

/**
 * A caller of which nothing has been heard for so many times as long as it would wait for us is gone. Whoever hangs, or
 * whose machine is lost, closes no streams, and its sequences would keep their room here.
 */
const SILENCE = 2;

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

type Optional = Pick<Fields<Status>, 'stepSeconds' | 'bytesIn' | 'bytesOut'>;

export interface CalleeLinkEvents {
  onLink(link: CalleeLink): void;
  /** `open`, `frame` and `close`. */
  onMessage(link: CalleeLink, message: Message): void;
  onEnd(link: CalleeLink, reason: ServingError): void;
  /** A stream has not become a link: somebody was not welcomed, or went away before. Why is for our own log. */
  onRefused?(reason: ServingError): void;
  /** A replica has opened the stream for us to call it there; where nobody listens to that, it is refused. */
  onInvite?(stream: MessageStream, invite: Hello): void;
}

/** The side of a link that is called: receives sequences and frames, grants credit, answers pings. */
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

  /**
   * Frames of so many bytes no longer fill our memory: the caller may send as many anew. It is told of a lump, also when
   * nothing is held any more: what it is owed until then is an eighth of the window, so it never waits for that.
   */
  consumed(bytes: number): void {
    this.#held -= bytes;
    this.#owed += bytes;
    if (this.#owed < CREDIT_LUMP_BYTES) return;
    this.#stream.send(message({ case: 'credit', value: { bytes: this.#owed } }));
    this.#owed = 0;
  }

  /** What the caller would hear with its next ping, now. */
  tell(status: StatusFields): void {
    this.#stream.send(message({ case: 'pong', value: { nonce: 0, status: create(StatusSchema, status) } }));
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

/** Waits for `Hello` on a stream, whoever has opened it, and answers `Welcome` or a refusal. */
export function accept(
  stream: MessageStream,
  identity: Identity,
  status: () => StatusFields,
  events: CalleeLinkEvents,
  timing: LinkTiming = LINK_TIMING,
): void {
  const first: FirstWordEvents = {
    onHello: (hello) => welcome(stream, hello, { identity, status, events, timing }),
    ...(events.onInvite && { onInvite: (invite) => events.onInvite!(stream, invite) }),
    onRefused: (reason) => events.onRefused?.(reason),
  };
  firstWord(stream, () => identity.plan, first, timing);
}

export interface FirstWordEvents {
  /** Somebody wants to call us. */
  readonly onHello?: (hello: Hello) => void;
  /** Somebody wants to be called by us. */
  readonly onInvite?: (invite: Hello) => void;
  /** What came was neither, or of another plan, or nothing came; the stream is over. */
  readonly onRefused: (reason: ServingError) => void;
}

/**
 * Waits for what the other side says first, and hands over whoever serves the plan that we have for it: the handler listens
 * from then on.
 */
export function firstWord(
  stream: MessageStream,
  planFor: (other: Hello) => AgreedPlan,
  { onHello, onInvite, onRefused }: FirstWordEvents,
  { handshakeMs }: LinkTiming = LINK_TIMING,
): void {
  let refusal: ServingError | null = null;
  const patience = setTimeout(
    () => stream.end(new ServingError('stream_broken', 'no hello in time')),
    handshakeMs,
  );
  const refuse = (reason: ServingError): void => {
    refusal = reason;
    // Whoever it is learns nothing of what is served here.
    stream.end(new ServingError('protocol_mismatch', 'not what is served here'));
  };
  stream.listen({
    onMessage: ({ body }) => {
      clearTimeout(patience);
      const take = body.case === 'hello' ? onHello : body.case === 'invite' ? onInvite : undefined;
      if (take === undefined || (body.case !== 'hello' && body.case !== 'invite')) {
        refuse(new ServingError('protocol_mismatch', `${body.case} is not what begins a link here`));
        return;
      }
      const misfit = misfitOf(body.value, planFor(body.value));
      if (misfit === null) take(body.value);
      else refuse(misfit);
    },
    onEnd: (reason) => {
      clearTimeout(patience);
      onRefused(refusal ?? reason);
    },
  });
}

interface Welcoming {
  readonly identity: Identity;
  readonly status: () => StatusFields;
  readonly events: CalleeLinkEvents;
  readonly timing: LinkTiming;
}

function welcome(stream: MessageStream, hello: Hello, { identity, status, events, timing }: Welcoming): void {
  const link = new CalleeLink(stream, hello);
  let silence = 0;
  // Looks are counted, not time: what comes while this process itself stands still is read before the next look.
  const watch = setInterval(() => {
    if (++silence > SILENCE * timing.maxMissed)
      link.close(new ServingError('stream_broken', `${link.appId}/${link.replica} has fallen silent`));
  }, timing.pingMs).unref();
  stream.listen({
    onMessage: (value) => {
      silence = 0;
      const { body } = value;
      if (body.case === 'ping') {
        const pong = { nonce: body.value.nonce, status: create(StatusSchema, status()) };
        stream.send(message({ case: 'pong', value: pong }));
      } else {
        if (body.case === 'frame') link.hold(frameCost(body.value));
        events.onMessage(link, value);
      }
    },
    onEnd: (reason) => {
      clearInterval(watch);
      events.onEnd(link, reason);
    },
  });
  const { appId, replica, host, pid } = identity;
  const value = { version: PROTOCOL_VERSION, appId, replica, host, pid, creditBytes: WINDOW_BYTES };
  stream.send(message({ case: 'welcome', value: { ...value, status: create(StatusSchema, status()) } }));
  events.onLink(link);
}
