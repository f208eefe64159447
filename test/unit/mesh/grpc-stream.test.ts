import * as grpc from '@grpc/grpc-js';
import { Secret } from '../../../services/lib/config/environment.js';
import {
  createClient,
  openStream,
  serveStreams,
  type StreamServer,
} from '../../../services/lib/mesh/grpc-stream.js';
import { message } from '../../../services/lib/wire/codec.js';
import { eventually } from '../../support/eventually.js';

const ping = message({ case: 'ping', value: { nonce: 1 } });

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
  const client = createClient(`127.0.0.1:${server.port}`);
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
    const client = createClient(`127.0.0.1:${server.port}`);
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
