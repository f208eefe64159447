import { createServer } from 'node:http2';
import * as grpc from '@grpc/grpc-js';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { Http2SessionManager, connectNodeAdapter, createGrpcTransport } from '@connectrpc/connect-node';
import { decodeMessage, encodeMessage } from '../../../dist/services/lib/wire/codec.js';
import { Stage } from '../../../dist/services/lib/wire/gen/stage_pb.js';

/** What a server answers to `hello`: the refusal that has to cross both sidecars unchanged. */
export const REFUSAL =
  'plan_mismatch: this replica serves layers [10, 20) of another model – prepare it anew';

const LINK_PATH = '/layermesh.stage.v1.Stage/Link';
const HOST = '127.0.0.1';
const MAX_MESSAGE_BYTES = 16 << 20;

/**
 * The two libraries behind one interface. `serve` echoes every message and returns its port; `open` returns a
 * stream whose `onEnd` gets the status `{ code, details }`. A window is in bytes; without one, Node's 64 KiB.
 */
export const transports = {
  'grpc-js': { serve: serveGrpc, open: openGrpc },
  connect: { serve: serveConnect, open: openConnect },
};

async function serveGrpc({ serverWindow }) {
  const server = new grpc.Server(grpcOptions());
  const link = {
    path: LINK_PATH,
    requestStream: true,
    responseStream: true,
    requestSerialize: encodeMessage,
    requestDeserialize: decodeMessage,
    responseSerialize: encodeMessage,
    responseDeserialize: decodeMessage,
  };
  const handle = (call) => {
    call.on('data', (message) => {
      if (message.body.case === 'hello') call.emit('error', { code: 9, details: REFUSAL });
      else call.write(message);
    });
    call.on('error', () => {});
    call.on('end', () => call.end());
  };
  server.addService({ link }, { link: handle });
  const port = await new Promise((resolve, reject) => {
    server.bindAsync(`${HOST}:0`, grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  // grpc-js has no option for a server's window; its private map shows what one would bring.
  if (serverWindow) for (const http2Server of server.http2Servers.keys()) enlarge(http2Server, serverWindow);
  return port;
}

function enlarge(http2Server, window) {
  http2Server.on('session', (session) => {
    session.settings({ initialWindowSize: window });
    session.setLocalWindowSize(window);
  });
}

function openGrpc({ address, metadata, clientWindow, onMessage, onEnd }) {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), grpcOptions(clientWindow));
  const headers = new grpc.Metadata();
  for (const [key, value] of Object.entries(metadata)) headers.set(key, value);
  const call = client.makeBidiStreamRequest(LINK_PATH, encodeMessage, decodeMessage, headers);
  call.on('data', onMessage);
  call.on('error', () => {});
  call.on('status', ({ code, details }) => onEnd({ code, details }));
  return {
    send: (message) => call.write(message),
    close: () => {
      call.cancel();
      client.close();
    },
  };
}

function grpcOptions(clientWindow) {
  return {
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    ...(clientWindow && { 'grpc-node.flow_control_window': clientWindow }),
  };
}

async function serveConnect({ serverWindow }) {
  async function* link(requests) {
    for await (const message of requests) {
      if (message.body.case === 'hello') throw new ConnectError(REFUSAL, Code.FailedPrecondition);
      yield message;
    }
  }
  const adapter = connectNodeAdapter({ routes: (router) => router.service(Stage, { link }) });
  const server = createServer({}, adapter);
  if (serverWindow) enlarge(server, serverWindow);
  await new Promise((resolve) => server.listen(0, HOST, resolve));
  return server.address().port;
}

function openConnect({ address, metadata, clientWindow, onMessage, onEnd }) {
  const baseUrl = `http://${address}`;
  const sessionManager = clientWindow
    ? new WideSessionManager(baseUrl, clientWindow)
    : new Http2SessionManager(baseUrl);
  const transport = createGrpcTransport({ baseUrl, sessionManager, readMaxBytes: MAX_MESSAGE_BYTES });
  const requests = new MessageQueue();
  const abort = new AbortController();
  const options = { headers: metadata, signal: abort.signal };
  const read = async () => {
    for await (const message of createClient(Stage, transport).link(requests, options)) onMessage(message);
  };
  read().then(
    () => onEnd({ code: 0, details: 'OK' }),
    (error) => onEnd({ code: error.code, details: error.rawMessage }),
  );
  return {
    send: (message) => requests.push(message),
    close: () => {
      abort.abort();
      sessionManager.abort();
    },
  };
}

class WideSessionManager extends Http2SessionManager {
  constructor(baseUrl, window) {
    super(baseUrl, undefined, { settings: { initialWindowSize: window } });
    this.window = window;
  }

  async request(...args) {
    const stream = await super.request(...args);
    stream.session.setLocalWindowSize(this.window);
    return stream;
  }
}

/** Connect reads what it sends from an async iterable. */
class MessageQueue {
  #messages = [];
  #wake = () => {};

  push(message) {
    this.#messages.push(message);
    this.#wake();
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      while (this.#messages.length > 0) yield this.#messages.shift();
      await new Promise((resolve) => (this.#wake = resolve));
    }
  }
}
