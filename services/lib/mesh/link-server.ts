import type { Tokens } from '../config/config.js';
import { message } from '../wire/codec.js';
import { accept, type CalleeLink, type CalleeLinkEvents, type StatusFields } from './callee-link.js';
import { serveStreams } from './grpc-stream.js';
import type { Identity } from './identity.js';
import type { MessageStream } from './types.js';

export interface LinkServerOptions extends CalleeLinkEvents {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly identity: Identity;
  /** What a caller must show before it is listened to. */
  readonly wants?: Tokens;
  /** Read for every `Welcome` and `Pong`. */
  status(): StatusFields;
}

export interface LinkServer {
  readonly port: number;
  /** Tells every caller that this replica takes no new sequences. */
  drain(): void;
  close(): void;
}

/** Listens for the links that other processes open to this one. Throws `port_in_use`. */
export async function serveLinks(options: LinkServerOptions): Promise<LinkServer> {
  const links = new Set<CalleeLink>();
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
    onRefused: (reason) => options.onRefused?.(reason),
  };
  const onStream = (stream: MessageStream): void =>
    accept(stream, options.identity, () => options.status(), events);
  const server = await serveStreams(options.host, options.port, onStream, options.wants);
  return {
    port: server.port,
    drain: () => {
      for (const link of links) link.send(message({ case: 'drain', value: {} }));
    },
    close: () => {
      for (const link of links) link.close();
      server.close();
    },
  };
}
