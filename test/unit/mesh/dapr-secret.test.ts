import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DaprMeshConfig } from '../../../services/lib/config/config.js';
import { Secret } from '../../../services/lib/config/environment.js';
import { readDaprSecret } from '../../../services/lib/mesh/dapr-secret.js';
import { thrownBy } from '../../support/thrown-by.js';

const present = new AbortController().signal;

/** The part of Dapr's API that is used, as its reference describes it. */
describe("a secret in the sidecar's store", () => {
  const answers: Record<string, [status: number, body: string]> = {
    '/v1.0/secrets/vault/single': [200, '{"single":"the-list"}'],
    '/v1.0/secrets/vault/several': [200, '{"operator":"x","keys":"the-list"}'],
    '/v1.0/secrets/vault/other': [200, '{"operator":"secret-value"}'],
    '/v1.0/secrets/vault/broken': [200, 'secret-value'],
    '/v1.0/secrets/vault/missing': [204, ''],
    '/v1.0/secrets/vault/failing': [500, '{"errorCode":"ERR_SECRET_GET","message":"secret-value"}'],
  };
  const shown: (string | undefined)[] = [];
  let server: Server;
  let mesh: DaprMeshConfig;
  beforeAll(async () => {
    server = createServer((request, response) => {
      shown.push(request.headers['dapr-api-token'] as string | undefined);
      const [status, body] = answers[request.url!] ?? [403, ''];
      response.writeHead(status).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port: daprHttpPort } = server.address() as AddressInfo;
    mesh = {
      kind: 'dapr',
      daprHttpPort,
      daprGrpcPort: 1,
      storeName: 'statestore',
      shows: { 'dapr-api-token': new Secret('of-sidecar'), 'layermesh-token': new Secret('of-mesh') },
      wants: {},
    };
  });
  afterAll(() => void server.close());

  it.each(['single', 'several'])('is its only value, or the one that is named keys: %s', async (name) => {
    expect(await readDaprSecret(mesh, { store: 'vault', name }, present)).toBe('the-list');
    expect(shown.at(-1)).toBe('of-sidecar');
  });

  it.each(['other', 'broken', 'missing', 'failing', 'forbidden'])(
    'that cannot be had is told of without a word of it: %s',
    async (name) => {
      const error = await thrownBy(() => readDaprSecret(mesh, { store: 'vault', name }, present));
      expect(error.code).toBe('sidecar_missing');
      expect(error.message).toContain(`vault/${name}`);
      expect(error.message).not.toContain('secret-value');
    },
  );

  it('cannot be had without a sidecar', async () => {
    const nowhere = { ...mesh, daprHttpPort: 1 };
    const error = await thrownBy(() => readDaprSecret(nowhere, { store: 'vault', name: 'single' }, present));
    expect(error.message).toContain('the sidecar does not answer');
  });
});
