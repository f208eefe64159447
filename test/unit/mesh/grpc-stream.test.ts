import * as grpc from '@grpc/grpc-js';
import { Secret } from '../../../services/lib/config/environment.js';
import {
  openStream,
  serveStreams,
  StreamClient,
  type StreamServer,
} from '../../../services/lib/mesh/grpc-stream.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { decodeMessage, encodeMessage, message } from '../../../services/lib/wire/codec.js';
import type { Message } from '../../../services/lib/wire/gen/stage_pb.js';
import { eventually } from '../../support/eventually.js';

const ping = message({ case: 'ping', value: { nonce: 1 } });

const frameOf = (bytes: number): Message =>
  message({ case: 'frame', value: { activations: Buffer.alloc(bytes, 'layermesh') } });

const wholeOf = (messages: readonly Message[]): Buffer => Buffer.concat(messages.map(encodeMessage));

/** A server whose streams send back what comes, and refuse a hello. */
const echoes = (): Promise<StreamServer> =>
  serveStreams('127.0.0.1', 0, (stream) =>
    stream.listen({
      onMessage: (value) => {
        if (value.body.case === 'hello')
          stream.end(new ServingError('protocol_mismatch', 'not what is served – here'));
        else stream.send(value);
      },
      onEnd: () => undefined,
    }),
  );

/** The messages that come back, up to the stream's end, and why it ended. */
async function exchange(
  port: number,
  sent: readonly Message[],
): Promise<{ came: Message[]; reason: ServingError }> {
  const client = new StreamClient(`127.0.0.1:${port}`);
  const stream = openStream(client, {});
  const came: Message[] = [];
  try {
    const reason = await new Promise<ServingError>((resolve) => {
      stream.listen({
        onMessage: (value) => {
          came.push(value);
          if (came.length === sent.length) stream.end();
        },
        onEnd: resolve,
      });
      for (const each of sent) stream.send(each);
    });
    return { came, reason };
  } finally {
    client.close();
  }
}

describe('a stream', () => {
  let server: StreamServer;
  beforeAll(async () => {
    server = await echoes();
  });
  afterAll(() => server.close());

  it('carries messages of all sizes, in order', async () => {
    const sent = [ping, frameOf(0), frameOf(1), frameOf(16_384), frameOf(3 << 20), ping, frameOf(655_360)];
    const { came } = await exchange(server.port, sent);
    expect(wholeOf(came).equals(wholeOf(sent))).toBe(true);
  });

  it('tells the caller why it is refused, in any script', async () => {
    const hello = message({ case: 'hello', value: { version: 1 } });
    const { reason } = await exchange(server.port, [hello]);
    expect(reason).toMatchObject({ code: 'protocol_mismatch', message: 'not what is served – here' });
  });

  it('is broken where nobody listens, where the server goes, and where no stream is served', async () => {
    expect((await exchange(1, [ping])).reason).toMatchObject({ code: 'stream_broken' });
    const gone = await echoes();
    const ended = exchange(gone.port, [ping, ping, message({ case: 'hello', value: { version: 1 } })]);
    gone.close();
    expect((await ended).reason.code).toBe('stream_broken');
  });

  it('is reached anew by a client that has lost its connection', async () => {
    const first = await echoes();
    const client = new StreamClient(`127.0.0.1:${first.port}`);
    const reasonOf = (): Promise<ServingError> =>
      new Promise((resolve) => {
        const stream = openStream(client, {});
        stream.listen({ onMessage: () => stream.end(), onEnd: resolve });
        stream.send(ping);
      });
    expect((await reasonOf()).message).toBe('closed');
    first.close();
    expect((await reasonOf()).message).not.toBe('closed');
    const second = await serveStreams('127.0.0.1', first.port, (stream) =>
      stream.listen({ onMessage: (value) => stream.send(value), onEnd: () => undefined }),
    );
    try {
      expect((await reasonOf()).message).toBe('closed');
    } finally {
      client.close();
      second.close();
    }
  });

  it('ends for the server when the caller goes away, and when it ends orderly', async () => {
    const ends: string[] = [];
    const listening = await serveStreams('127.0.0.1', 0, (stream) =>
      stream.listen({
        onMessage: (value) => stream.send(value),
        onEnd: ({ message: why }) => ends.push(why),
      }),
    );
    try {
      for (const reason of [undefined, new ServingError('stream_broken', 'enough')]) {
        const client = new StreamClient(`127.0.0.1:${listening.port}`);
        const stream = openStream(client, {});
        await new Promise<void>((resolve) => {
          stream.listen({ onMessage: () => stream.end(reason), onEnd: () => resolve() });
          stream.send(ping);
        });
        client.close();
      }
      await eventually('both ends', () => ends.length === 2);
      for (const end of ends) expect(end).toMatch(/^the other side (ended the stream|went away)$/);
    } finally {
      listening.close();
    }
  });
});

/** What gRPC's own library has of a stream: the plain client beside ours. */
describe('a stream of grpc-js', () => {
  it('is served, message for message and with its status', async () => {
    const server = await echoes();
    const client = new grpc.Client(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure(), {
      'grpc.max_receive_message_length': 16 << 20,
    });
    try {
      const call = client.makeBidiStreamRequest(
        '/layermesh.stage.v1.Stage/Link',
        encodeMessage,
        decodeMessage,
      );
      const sent = [frameOf(100), frameOf(2 << 20), ping];
      const came: Message[] = [];
      const status = new Promise<grpc.StatusObject>((resolve) => call.on('status', resolve));
      call.on('error', () => undefined);
      call.on('data', (value: Message) => {
        came.push(value);
        if (came.length === sent.length) call.write(message({ case: 'hello', value: { version: 1 } }));
      });
      for (const each of sent) call.write(each);
      expect(await status).toMatchObject({
        code: grpc.status.FAILED_PRECONDITION,
        details: 'protocol_mismatch: not what is served – here',
      });
      expect(wholeOf(came).equals(wholeOf(sent))).toBe(true);
    } finally {
      client.close();
      server.close();
    }
  });

  it('hears of a service that there is not', async () => {
    const server = await echoes();
    const client = new grpc.Client(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure());
    try {
      const error = await new Promise<grpc.ServiceError | null>((resolve) => {
        const same = (value: Buffer): Buffer => value;
        client.makeUnaryRequest('/no.Such/Call', same, same, Buffer.alloc(3), resolve);
      });
      expect(error?.code).toBe(grpc.status.UNIMPLEMENTED);
    } finally {
      client.close();
      server.close();
    }
  });
});

async function checkHealth(port: number): Promise<unknown> {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  try {
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        '/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck',
        (value: Buffer) => value,
        (value: Buffer) => value,
        Buffer.alloc(0),
        { deadline: Date.now() + 5_000 },
        (error, answer) => (error === null ? resolve(answer) : reject(error)),
      );
    });
  } finally {
    client.close();
  }
}

describe('the server of links', () => {
  it("answers its sidecar's health check with an empty message", async () => {
    const server = await serveStreams('127.0.0.1', 0, () => undefined);
    try {
      expect(await checkHealth(server.port)).toEqual(Buffer.alloc(0));
    } finally {
      server.close();
    }
  });
});

it('hands a stream over to whoever listens last, without losing or doubling a message', async () => {
  const heard: string[] = [];
  const server = await serveStreams('127.0.0.1', 0, (stream) => {
    stream.listen({
      onMessage: () => {
        heard.push('first');
        stream.listen({
          onMessage: (value) => {
            heard.push('later');
            stream.send(value);
          },
          onEnd: () => heard.push('end'),
        });
      },
      onEnd: () => heard.push('end of nobody'),
    });
  });
  const client = new StreamClient(`127.0.0.1:${server.port}`);
  try {
    const stream = openStream(client, {});
    await new Promise<void>((resolve) => {
      stream.listen({ onMessage: () => resolve(), onEnd: () => undefined });
      for (let count = 0; count < 3; count++) stream.send(ping);
    });
    stream.end();
    await eventually('the end', () => heard.length === 4);
    expect(heard).toEqual(['first', 'later', 'later', 'end']);
  } finally {
    client.close();
    server.close();
  }
});

describe('the server of links that wants tokens', () => {
  const wants = { 'dapr-api-token': new Secret('of the app'), 'layermesh-token': new Secret('of the mesh') };
  const right = { 'dapr-api-token': 'of the app', 'layermesh-token': 'of the mesh' };
  let server: StreamServer;
  let streams = 0;

  beforeAll(async () => {
    server = await serveStreams(
      '127.0.0.1',
      0,
      (stream) => {
        streams++;
        stream.listen({ onMessage: (value) => stream.send(value), onEnd: () => undefined });
      },
      wants,
    );
  });
  afterAll(() => server.close());

  /** What comes back of a message: the message, or the reason why not. */
  const say = async (metadata: Record<string, string>): Promise<string> => {
    const client = new StreamClient(`127.0.0.1:${server.port}`);
    const stream = openStream(client, metadata);
    try {
      return await new Promise((resolve) => {
        stream.listen({
          onMessage: ({ body }) => resolve(String(body.case)),
          onEnd: (reason) => resolve(reason.message),
        });
        stream.send(ping);
      });
    } finally {
      stream.end();
      client.close();
    }
  };

  it('listens to who shows them', async () => {
    expect(await say(right)).toBe('ping');
  });

  it.each([
    ['none', {}],
    ['one of the two', { 'layermesh-token': 'of the mesh' }],
    ['the other in its place', { 'dapr-api-token': 'of the mesh', 'layermesh-token': 'of the app' }],
    ['an empty one', { ...right, 'layermesh-token': '' }],
    ['a part of it', { ...right, 'layermesh-token': 'of the mes' }],
  ])('refuses who shows %s, and tells nothing', async (_, metadata) => {
    const before = streams;
    expect(await say(metadata as Record<string, string>)).toBe('a token is missing or wrong');
    expect(streams).toBe(before);
  });

  it('still answers health checks, with which sidecars show none', async () => {
    expect(await checkHealth(server.port)).toEqual(Buffer.alloc(0));
  });
});
