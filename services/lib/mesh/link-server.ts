import type { Tokens } from '../config/config.js';
import type { ServingError } from '../errors/serving-error.js';
import { message } from '../wire/codec.js';
import type { Hello } from '../wire/gen/stage_pb.js';
import {
  accept,
  firstWord,
  type CalleeLink,
  type CalleeLinkEvents,
  type FirstWordEvents,
  type StatusFields,
} from './callee-link.js';
import { LINK_TIMING, type LinkTiming } from './caller-link.js';
import { serveStreams, type StreamServer } from './grpc-stream.js';
import { introduce, type AgreedPlan, type Identity } from './identity.js';
import type { MessageStream } from './types.js';

interface ServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly identity: Identity;
  /** What whoever opens a stream must show before it is listened to. */
  readonly wants?: Tokens;
}

interface LinkServerOptions extends ServerOptions, CalleeLinkEvents {
  /** Read for every `Welcome` and `Pong`. */
  status(): StatusFields;
}

export interface LinkServer {
  readonly port: number;
  /** Whether that replica holds a link to us. */
  isCalledBy(replica: string): boolean;
  /** Says on a stream that we have opened that we want to be called there: the link, or why there is none. */
  invite(stream: MessageStream, traceparent?: string): Promise<CalleeLink | ServingError>;
  /** Tells every caller that this replica takes no new sequences. */
  drain(): void;
  close(): void;
}

/** Whoever answers an invitation has nothing to look up: one that hangs must not keep us from the others. */
const INVITE_TIMING: LinkTiming = { ...LINK_TIMING, handshakeMs: 2_000 };

/** Listens for the links that other processes open to this one, and for invitations. Throws `port_in_use`. */
export async function serveLinks(options: LinkServerOptions): Promise<LinkServer> {
  const { identity } = options;
  const links = new Set<CalleeLink>();
  const status = (): StatusFields => options.status();
  const events: CalleeLinkEvents = {
    onLink: (link) => {
      links.add(link);
      options.onLink(link);
    },
    onMessage: (link, received) => options.onMessage(link, received),
    onEnd: (link, reason) => {
      links.delete(link);
      options.onEnd(link, reason);
    },
  };
  const incoming: CalleeLinkEvents = {
    ...events,
    onRefused: (reason) => options.onRefused?.(reason),
    ...(options.onInvite && { onInvite: (stream, invite) => options.onInvite!(stream, invite) }),
  };
  const onStream = (stream: MessageStream): void => accept(stream, identity, status, incoming);
  const server = await serveStreams(options.host, options.port, onStream, options.wants);
  return {
    port: server.port,
    isCalledBy: (replica) => [...links].some((link) => link.replica === replica),
    invite: (stream, traceparent = '') =>
      new Promise((resolve) => {
        const onLink = (link: CalleeLink): void => {
          events.onLink(link);
          resolve(link);
        };
        const invited = { ...events, onLink, onRefused: resolve };
        accept(stream, identity, status, invited, INVITE_TIMING);
        stream.send(message({ case: 'invite', value: introduce(identity, traceparent) }));
      }),
    drain: () => {
      for (const link of links) link.send(message({ case: 'drain', value: {} }));
    },
    close: () => {
      for (const link of links) link.close();
      server.close();
    },
  };
}

/** Listens for invitations alone: for a process that calls, and that nobody calls. Throws `port_in_use`. */
export const serveInvites = (
  options: Omit<ServerOptions, 'identity'> & {
    /** That of the mesh which whoever invites is in. */
    planFor(invite: Hello): AgreedPlan;
    onInvite(stream: MessageStream, invite: Hello): void;
    onRefused: FirstWordEvents['onRefused'];
  },
): Promise<StreamServer> =>
  serveStreams(
    options.host,
    options.port,
    (stream) =>
      firstWord(stream, (invite) => options.planFor(invite), {
        onInvite: (invite) => options.onInvite(stream, invite),
        onRefused: (reason) => options.onRefused(reason),
      }),
    options.wants,
  );
