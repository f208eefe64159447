import * as grpc from '@grpc/grpc-js';
import { serveStreams } from '../../../services/lib/mesh/grpc-stream.js';

describe('the server of links', () => {
  it("answers its sidecar's health check with an empty message", async () => {
    const server = await serveStreams('127.0.0.1', 0, () => undefined);
    const client = new grpc.Client(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure());
    try {
      const answer = await new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          '/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck',
          (message: Buffer) => message,
          (message: Buffer) => message,
          Buffer.alloc(0),
          { deadline: Date.now() + 5_000 },
          (error, message) => (error === null ? resolve(message) : reject(error)),
        );
      });
      expect(answer).toEqual(Buffer.alloc(0));
    } finally {
      client.close();
      server.close();
    }
  });
});
