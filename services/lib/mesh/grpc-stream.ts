import * as grpc from '@grpc/grpc-js';
import type { Tokens } from '../config/config.js';
import { isErrorCode } from '../errors/catalogue.js';
import { ServingError } from '../errors/serving-error.js';
import { decodeMessage, encodeMessage } from '../wire/codec.js';
import type { Message } from '../wire/gen/stage_pb.js';
import type { MessageStream, StreamHandlers } from './types.js';

const LINK_PATH = '/layermesh.stage.v1.Stage/Link';

/** What a sidecar asks that has been told to check its app: an empty message, answered by another. */
const HEALTH_PATH = '/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck';

/** Well above MAX_FRAME_BYTES, and what `--max-body-size` of every sidecar is set to. */
const MAX_MESSAGE_BYTES = 16 << 20;

const CHANNEL_OPTIONS: grpc.ChannelOptions = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  // daprd answers more than one ping in 8 s with ENHANCE_YOUR_CALM.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // A link that breaks is opened anew by its owner, who would rather be told than wait for grpc's back-off.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
};

// What fails is reported where it is handled.
grpc.setLogVerbosity(grpc.logVerbosity.NONE);

export function createClient(address: string): grpc.Client {
  return new grpc.Client(address, grpc.credentials.createInsecure(), CHANNEL_OPTIONS);
}

/** Opens a link stream; `metadata` tells a sidecar where it goes, `onEnd` frees what served this stream alone. */
export function openStream(
  client: grpc.Client,
  metadata: Readonly<Record<string, string>>,
  onEnd?: () => void,
): MessageStream {
  const headers = new grpc.Metadata();
  for (const [key, value] of Object.entries(metadata)) headers.set(key, value);
  const call = client.makeBidiStreamRequest(LINK_PATH, encodeMessage, decodeMessage, headers);
  if (onEnd !== undefined) call.on('close', onEnd);
  return new GrpcMessageStream(call, () => call.cancel());
}

/** The metadata that shows so many tokens. */
export const revealed = (tokens: Tokens): Record<string, string> =>
  Object.fromEntries(Object.entries(tokens).map(([name, token]) => [name, token.reveal()]));

type Empty = Record<string, never>;
const nothing = (): Buffer => Buffer.alloc(0);

const health: grpc.MethodDefinition<Empty, Empty> = {
  path: HEALTH_PATH,
  requestStream: false,
  responseStream: false,
  requestSerialize: nothing,
  requestDeserialize: () => ({}),
  responseSerialize: nothing,
  responseDeserialize: () => ({}),
};

/** Without a token, for sidecars send none with it; it tells that somebody listens, and nothing else. */
const answerHealth: grpc.handleUnaryCall<Empty, Empty> = (_call, answer) => answer(null, {});

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
  const server = new grpc.Server(CHANNEL_OPTIONS);
  const link: grpc.MethodDefinition<Message, Message> = {
    path: LINK_PATH,
    requestStream: true,
    responseStream: true,
    requestSerialize: encodeMessage,
    requestDeserialize: decodeMessage,
    responseSerialize: encodeMessage,
    responseDeserialize: decodeMessage,
  };
  const handle: grpc.handleBidiStreamingCall<Message, Message> = (call) => {
    if (!isShown(wants, call.metadata)) {
      call.emit('error', { code: grpc.status.UNAUTHENTICATED, details: 'a token is missing or wrong' });
      return;
    }
    onStream(new GrpcMessageStream(call, (reason) => call.emit('error', toStatus(reason))));
  };
  server.addService({ link, health }, { link: handle, health: answerHealth });
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, grpc.ServerCredentials.createInsecure(), (cause, actual) => {
      if (cause === null) resolve(actual);
      else reject(new ServingError('port_in_use', `cannot listen on ${host}:${port}`, { cause }));
    });
  });
  return { port: bound, close: () => server.forceShutdown() };
}

const isShown = (wants: Tokens, metadata: grpc.Metadata): boolean =>
  Object.entries(wants).every(([name, token]) => token.equals(String(metadata.get(name)[0] ?? '')));

type Call = grpc.ClientDuplexStream<Message, Message> | grpc.ServerDuplexStream<Message, Message>;

class GrpcMessageStream implements MessageStream {
  readonly #call: Call;
  readonly #abort: (reason: ServingError) => void;
  #handlers: StreamHandlers | undefined;
  #ended = false;

  constructor(call: Call, abort: (reason: ServingError) => void) {
    this.#call = call;
    this.#abort = abort;
    call.on('error', (error: Error) => this.#finish(fromStatus(error)));
    call.on('cancelled', () => this.#finish(broken('the caller went away')));
    call.on('end', () => this.#finish(broken('the other side ended the stream')));
  }

  send(message: Message): void {
    if (!this.#ended) this.#call.write(message);
  }

  end(reason?: ServingError): void {
    if (this.#ended) return;
    // Ending orderly lets what was sent before still arrive.
    if (reason === undefined) this.#call.end();
    else this.#abort(reason);
    this.#finish(reason ?? broken('closed'));
  }

  listen(handlers: StreamHandlers): void {
    const isFirst = this.#handlers === undefined;
    this.#handlers = handlers;
    if (!isFirst) return;
    this.#call.on('data', (message: Message) => {
      if (!this.#ended) this.#handlers!.onMessage(message);
    });
  }

  #finish(reason: ServingError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#call.end();
    this.#handlers?.onEnd(reason);
  }
}

const broken = (message: string, cause?: unknown): ServingError =>
  new ServingError('stream_broken', message, { cause });

/** A refusal with one of our codes crosses sidecars in the status text: `code: message`. */
function toStatus(reason: ServingError): Partial<grpc.StatusObject> {
  return { code: grpc.status.FAILED_PRECONDITION, details: `${reason.code}: ${reason.message}` };
}

function fromStatus(error: Error & { details?: string }): ServingError {
  const [, code, message] = /(\w+): (.*)/s.exec(error.details ?? '') ?? [];
  if (code !== undefined && isErrorCode(code)) return new ServingError(code, message ?? '', { cause: error });
  return broken(error.details ?? error.message, error);
}
