import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Tokens } from '../config/config.js';
import { isErrorCode } from '../errors/catalogue.js';
import { ServingError } from '../errors/serving-error.js';
import { decodeMessage, encodeParts } from '../wire/codec.js';
import type { Message } from '../wire/gen/stage_pb.js';
import { MessageReader, prefixOf } from './grpc-framing.js';
import type { MessageStream, StreamHandlers } from './types.js';

/**
 * gRPC's streams on Node's own HTTP/2: a library that does this for any service copies each message four times on its way
 * and gives a server no window but 64 KiB (ADR 013). What is not needed is not here: unary calls, compression, deadlines.
 */

const LINK_PATH = '/layermesh.stage.v1.Stage/Link';

/** What a sidecar asks that has been told to check its app: an empty message, answered by another. */
const HEALTH_PATH = '/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck';

/** Well above MAX_FRAME_BYTES, and what `--max-body-size` of every sidecar is set to. */
const MAX_MESSAGE_BYTES = 16 << 20;

/**
 * Bytes that the other side may have under way to us, of a stream and of all streams of a connection. A link's own
 * credit bounds what is in memory; this window is only never to be what a sender waits for.
 */
const WINDOW_BYTES = 16 << 20;

const SESSION_OPTIONS = {
  settings: { initialWindowSize: WINDOW_BYTES },
  // It counts what waits to be sent, which credit bounds.
  maxSessionMemory: Number.MAX_SAFE_INTEGER,
};

/** Between two pings of a connection, ms. daprd answers more than one in 8 s with ENHANCE_YOUR_CALM. */
const KEEPALIVE_MS = 10_000;

/** https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
const STATUS = { ok: 0, failedPrecondition: 9, unimplemented: 12, unauthenticated: 16 };

const { HTTP2_HEADER_METHOD, HTTP2_HEADER_PATH, HTTP2_HEADER_TE, HTTP2_HEADER_CONTENT_TYPE } =
  http2.constants;

const CONTENT_TYPE = { [HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc' };

function keepUp(session: http2.Http2Session): void {
  session.setLocalWindowSize(WINDOW_BYTES);
  let answered = true;
  const timer = setInterval(() => {
    // It is closed some turns after it was destroyed, and would throw at a ping.
    if (session.destroyed) return;
    if (!answered) {
      session.destroy(new Error('no answer to a ping'));
      return;
    }
    answered = false;
    session.ping(() => (answered = true));
  }, KEEPALIVE_MS).unref();
  session.once('close', () => clearInterval(timer));
}

/** One connection to an address, made when a stream wants it, and anew when it is lost. */
export class StreamClient {
  readonly #address: string;
  #session: http2.ClientHttp2Session | null = null;

  constructor(address: string) {
    this.#address = address;
  }

  request(headers: http2.OutgoingHttpHeaders): http2.ClientHttp2Stream {
    if (this.#session === null || this.#session.closed || this.#session.destroyed)
      this.#session = this.#connect();
    return this.#session.request(headers);
  }

  /** Ends when its streams have ended. */
  close(): void {
    this.#session?.close();
  }

  #connect(): http2.ClientHttp2Session {
    const session = http2.connect(`http://${this.#address}`, SESSION_OPTIONS);
    // Each stream hears of it.
    session.on('error', () => undefined);
    session.once('connect', () => keepUp(session));
    return session;
  }
}

/** Opens a link stream; `metadata` tells a sidecar where it goes, `onEnd` frees what served this stream alone. */
export function openStream(
  client: StreamClient,
  metadata: Readonly<Record<string, string>>,
  onEnd?: () => void,
): MessageStream {
  const stream = client.request({
    [HTTP2_HEADER_METHOD]: 'POST',
    [HTTP2_HEADER_PATH]: LINK_PATH,
    [HTTP2_HEADER_TE]: 'trailers',
    ...CONTENT_TYPE,
    ...metadata,
  });
  if (onEnd !== undefined) stream.on('close', onEnd);
  return new GrpcMessageStream(stream, () => stream.close(http2.constants.NGHTTP2_CANCEL));
}

/** The metadata that shows so many tokens. */
export const revealed = (tokens: Tokens): Record<string, string> =>
  Object.fromEntries(Object.entries(tokens).map(([name, token]) => [name, token.reveal()]));

export interface StreamServer {
  readonly port: number;
  /** Ends all streams. */
  close(): void;
}

/**
 * Serves link streams, and the sidecar's health checks, on `host:port` (port 0: a free one). A stream that does not show
 * all the tokens in `wants` is refused, and told nothing. Throws `port_in_use`.
 */
export async function serveStreams(
  host: string,
  port: number,
  onStream: (stream: MessageStream) => void,
  wants: Tokens = {},
): Promise<StreamServer> {
  const server = http2.createServer(SESSION_OPTIONS);
  const sessions = new Set<http2.Http2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    keepUp(session);
  });
  // Of connections that fail: their streams hear of it, and there is nobody else to tell.
  server.on('sessionError', () => undefined);
  server.on('stream', (stream, headers) => {
    const path = headers[HTTP2_HEADER_PATH];
    if (path === HEALTH_PATH) answerHealth(stream);
    else if (path !== LINK_PATH) refuse(stream, STATUS.unimplemented, `there is no ${String(path)}`);
    else if (!isShown(wants, headers)) refuse(stream, STATUS.unauthenticated, 'a token is missing or wrong');
    else onStream(serveLink(stream));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new ServingError('port_in_use', `cannot listen on ${host}:${port}`, { cause })),
    );
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      for (const session of sessions) session.destroy();
    },
  };
}

const isShown = (wants: Tokens, headers: http2.IncomingHttpHeaders): boolean =>
  Object.entries(wants).every(([name, token]) => token.equals(String(headers[name] ?? '')));

function serveLink(stream: http2.ServerHttp2Stream): MessageStream {
  let status = statusOf(STATUS.ok, '');
  stream.respond(CONTENT_TYPE, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(status));
  return new GrpcMessageStream(stream, (reason) => {
    status = statusOf(STATUS.failedPrecondition, `${reason.code}: ${reason.message}`);
  });
}

/** Without a token, for sidecars send none with it; it tells that somebody listens, and nothing else. */
function answerHealth(stream: http2.ServerHttp2Stream): void {
  stream.on('error', () => undefined).resume();
  stream.respond(CONTENT_TYPE, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(statusOf(STATUS.ok, '')));
  stream.end(prefixOf(0));
}

function refuse(stream: http2.ServerHttp2Stream, code: number, details: string): void {
  stream.on('error', () => undefined).resume();
  stream.respond({ ...CONTENT_TYPE, ...statusOf(code, details) }, { endStream: true });
}

/** As headers; a text in UTF-8, percent-encoded. */
const statusOf = (code: number, details: string): http2.OutgoingHttpHeaders => ({
  'grpc-status': String(code),
  'grpc-message': encodeURI(details.replace(/\p{Surrogate}/gu, '?')),
});

class GrpcMessageStream implements MessageStream {
  readonly #stream: http2.Http2Stream;
  readonly #abort: (reason: ServingError) => void;
  readonly #reader = new MessageReader(MAX_MESSAGE_BYTES);
  #handlers: StreamHandlers | undefined;
  #status: ServingError | null = null;
  #ended = false;

  /** `abort` has the other side told why, before the stream is ended. */
  constructor(stream: http2.Http2Stream, abort: (reason: ServingError) => void) {
    this.#stream = stream;
    this.#abort = abort;
    const noteStatus = (headers: http2.IncomingHttpHeaders): void => {
      this.#status ??= reasonOf(headers);
    };
    stream.on('response', noteStatus);
    stream.on('trailers', noteStatus);
    stream.on('error', (error) => this.#finish(broken(error.message, error)));
    stream.on('end', () => this.#finish(this.#status ?? broken('the other side ended the stream')));
    stream.on('close', () => this.#finish(this.#status ?? broken('the other side went away')));
  }

  send(message: Message): void {
    if (this.#ended) return;
    const parts = encodeParts(message);
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    this.#stream.cork();
    for (const part of [prefixOf(length), ...parts]) this.#stream.write(part);
    this.#stream.uncork();
  }

  end(reason?: ServingError): void {
    if (this.#ended) return;
    // Ending orderly lets what was sent before still arrive.
    if (reason !== undefined) this.#abort(reason);
    this.#finish(reason ?? broken('closed'));
  }

  listen(handlers: StreamHandlers): void {
    const isFirst = this.#handlers === undefined;
    this.#handlers = handlers;
    if (isFirst) this.#stream.on('data', (chunk: Buffer) => this.#receive(chunk));
  }

  #receive(chunk: Buffer): void {
    if (this.#ended) return;
    let messages: Message[];
    try {
      messages = this.#reader.push(chunk).map(decodeMessage);
    } catch (error) {
      this.end(ServingError.from(error));
      return;
    }
    for (const each of messages) this.#deliver(each);
  }

  #deliver(message: Message): void {
    if (!this.#ended) this.#handlers!.onMessage(message);
  }

  #finish(reason: ServingError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stream.end();
    // What still comes is dropped, so that the stream comes to its end.
    this.#stream.resume();
    this.#handlers?.onEnd(reason);
  }
}

const broken = (message: string, cause?: unknown): ServingError =>
  new ServingError('stream_broken', message, { cause });

/** A refusal with one of our codes crosses sidecars in the status text: `code: message`. Null where there is no status yet. */
function reasonOf(headers: http2.IncomingHttpHeaders): ServingError | null {
  const {
    ':status': http,
    'grpc-status': status,
    'grpc-message': text,
  } = headers as http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader;
  if (http !== undefined && http !== 200) return broken(`HTTP status ${http}`);
  if (status === undefined) return null;
  if (Number(status) === STATUS.ok) return broken('the other side ended the stream');
  const details = decoded(String(text ?? `status ${String(status)}`));
  const [, code, message] = /(\w+): (.*)/s.exec(details) ?? [];
  return code !== undefined && isErrorCode(code) ? new ServingError(code, message ?? '') : broken(details);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
