import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Secret } from '../../../services/lib/config/environment.js';
import { DaprMesh } from '../../../services/lib/mesh/dapr-mesh.js';
import type { PassingDocuments } from '../../../services/lib/mesh/types.js';
import { eventually } from '../../support/eventually.js';

/** What a real sidecar answers `integration/sidecar` shows; here it answers what a healthy one never does. */
describe('documents, with a sidecar that', () => {
  let sidecar: Server;
  let mesh: DaprMesh;
  let documents: PassingDocuments;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;

  beforeAll(async () => {
    sidecar = createServer((request, response) => {
      if (request.url === '/v1.0/healthz/outbound') response.writeHead(204).end();
      else answer(request, response);
    });
    await new Promise<void>((resolve) => sidecar.listen(0, '127.0.0.1', resolve));
    const { port } = sidecar.address() as AddressInfo;
    const shows = { 'dapr-api-token': new Secret('t0ken') };
    const options = { daprGrpcPort: 9, daprHttpPort: port, storeName: 'store', shows };
    mesh = await DaprMesh.start(options, AbortSignal.timeout(5_000));
    documents = mesh.documents(60);
  });
  afterAll(async () => {
    await mesh.close();
    sidecar.closeAllConnections();
    await new Promise((resolve) => sidecar.close(resolve));
  });

  const says =
    (status: number, body = '') =>
    (_: IncomingMessage, response: ServerResponse): void =>
      void response.writeHead(status).end(body);

  it('says that somebody was faster: not written', async () => {
    answer = says(409, '{"errorCode":"ERR_STATE_SAVE"}');
    expect(await documents.write('a', 1, '7')).toBe(false);
    expect(await documents.write('a', 1, null)).toBe(false);
  });

  it('fails: a new document may be there already, and one that was read is not written', async () => {
    answer = says(500, '{"errorCode":"ERR_STATE_SAVE"}');
    expect(await documents.write('a', 1, null)).toBe(false);
    const failed = { code: 'sidecar_missing', message: expect.stringContaining('HTTP 500') as string };
    await expect(documents.write('a', 1, '7')).rejects.toMatchObject(failed);
    await expect(documents.read('a')).rejects.toMatchObject(failed);
    await expect(documents.delete('a')).rejects.toMatchObject(failed);
  });

  it('hangs up, or answers no JSON: neither written nor lost', async () => {
    for (const each of [(request: IncomingMessage) => void request.socket.destroy(), says(200, '<html>')]) {
      answer = each;
      await expect(documents.read('a')).rejects.toMatchObject({ code: 'sidecar_missing' });
      await expect(documents.write('a', 1, null)).rejects.toMatchObject({ code: 'sidecar_missing' });
    }
  });

  it('wants a token: each request shows it', async () => {
    const shown: unknown[] = [];
    answer = ({ headers }, response) => {
      shown.push(headers['dapr-api-token']);
      response.writeHead(200).end('[]');
    };
    expect(await documents.read('a')).toBeNull();
    await documents.write('a', 1, null);
    await documents.delete('a');
    expect(shown).toEqual(['t0ken', 't0ken', 't0ken']);
  });

  it('never answers: given up, with the connection', async () => {
    let left = false;
    answer = ({ socket }) => void socket.once('close', () => (left = true));
    await expect(documents.read('a')).rejects.toMatchObject({
      code: 'sidecar_missing',
      message: expect.stringContaining('no answer within') as string,
    });
    await eventually('the end of the connection', () => left);
  }, 20_000);
});
