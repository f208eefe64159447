import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accept } from '../../../services/lib/mesh/callee-link.js';
import { DirectMesh } from '../../../services/lib/mesh/direct-mesh.js';
import type { Identity } from '../../../services/lib/mesh/identity.js';
import { LinkManager } from '../../../services/lib/mesh/link-manager.js';
import { serveLinks, type LinkServer } from '../../../services/lib/mesh/link-server.js';
import type { Announcement, Mesh, MessageStream } from '../../../services/lib/mesh/types.js';
import { message } from '../../../services/lib/wire/codec.js';
import { eventually } from '../../support/eventually.js';
import { streamPair } from '../../support/stream-pair.js';

const plan = { modelDigest: 'd', precision: 'f32', activations: 'f32', split: [] };
const identityOf = (appId: string, replica: string): Identity => ({
  appId,
  replica,
  host: 'h',
  pid: 1,
  plan,
});
const status = () => ({
  draining: false,
  sequences: 0,
  kvUsed: 0,
  kvCapacity: 1,
  busyRatio: 0,
  rssBytes: 0,
  nextReplicas: [],
  enginesAfter: [],
});

interface Replica {
  server: LinkServer;
  announcement: Announcement;
  opened: string[];
}

let directory: string;
let mesh: DirectMesh;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'links-'));
  mesh = new DirectMesh({ registryDirectory: directory });
});
afterEach(() => rm(directory, { recursive: true }));

/** A replica over real gRPC on a free port. */
async function startReplica(replica: string): Promise<Replica> {
  const opened: string[] = [];
  const server = await serveLinks({
    host: '127.0.0.1',
    port: 0,
    identity: identityOf('stage-0', replica),
    status,
    onLink: () => undefined,
    onMessage: (_link, { body }) => {
      if (body.case === 'open') opened.push(body.value.sequence);
    },
    onEnd: () => undefined,
  });
  const address = `127.0.0.1:${server.port}`;
  const announcement = await mesh.registry.announce({ appId: 'stage-0', replica, address, draining: false });
  return { server, announcement, opened };
}

it('holds a link to every replica as they come, drain and go', async () => {
  const [first, second] = [await startReplica('a'), await startReplica('b')];
  const down: string[] = [];
  const manager = new LinkManager({
    mesh,
    identity: identityOf('gateway', 'g'),
    appId: 'stage-0',
    onMessage: () => undefined,
    onDown: ({ replica }) => down.push(replica),
  });
  await eventually('two links', () => manager.links.length === 2);
  manager.get('b')!.send(message({ case: 'open', value: { sequence: 's' } }));
  await eventually('the message', () => second.opened.length === 1);
  expect(second.opened).toEqual(['s']);

  first.server.drain();
  await eventually('the drain notice', () => manager.get('a')?.draining);
  await first.announcement.withdraw();
  first.server.close();
  await eventually('the end of a', () => manager.links.length === 1);
  expect(down).toEqual(['a']);

  const third = await startReplica('c');
  await eventually('the newcomer', () => manager.get('c'));
  await manager.close();
  for (const { announcement, server } of [second, third]) {
    await announcement.withdraw();
    server.close();
  }
});

describe('in a mesh where not every replica answers', () => {
  const records = ['dead', 'good'].map((replica) => ({
    appId: 'stage-0',
    replica,
    address: '',
    draining: false,
  }));
  /** What the replica does with a stream that is opened to it. */
  const meshWhere = (dead: (far: MessageStream) => void): Mesh => ({
    kind: 'direct',
    registry: { list: () => Promise.resolve(records), announce: () => Promise.reject(new Error('nobody')) },
    open: ({ replica }) => {
      const [near, far] = streamPair();
      const nothing = () => undefined;
      if (replica === 'dead') dead(far);
      else
        accept(far, identityOf('stage-0', replica), status, {
          onLink: nothing,
          onMessage: nothing,
          onEnd: nothing,
        });
      return near;
    },
    close: () => Promise.resolve(),
  });
  const welcome = { appId: 'stage-0', replica: 'dead', creditBytes: 1, status: status() };

  it.each<[string, (far: MessageStream) => void]>([
    ['ends the stream', (far) => far.end()],
    [
      'ends it in the moment of its welcome',
      (far) => {
        far.send(message({ case: 'welcome', value: welcome }));
        far.end();
      },
    ],
  ])('finds the others, and holds no link to one that %s', async (_, dead) => {
    let met = 0;
    const manager = new LinkManager({
      mesh: meshWhere((far) => {
        met++;
        dead(far);
      }),
      identity: identityOf('gateway', 'g'),
      appId: 'stage-0',
      onMessage: () => undefined,
      onDown: () => undefined,
    });
    await eventually('the other', () => manager.get('good'));
    await eventually('another try', () => met > 4);
    expect(manager.links.map(({ replica }) => replica)).toEqual(['good']);
    await manager.close();
  });
});

it('says port_in_use when somebody else listens', async () => {
  const { server, announcement } = await startReplica('a');
  await expect(
    serveLinks({
      host: '127.0.0.1',
      port: server.port,
      identity: identityOf('stage-0', 'b'),
      status,
      onLink: () => undefined,
      onMessage: () => undefined,
      onEnd: () => undefined,
    }),
  ).rejects.toMatchObject({ code: 'port_in_use' });
  await announcement.withdraw();
  server.close();
});

it('keeps its links while the registry can not be reached, and tells that it can not', async () => {
  const replica = await startReplica('a');
  let broken = false;
  const list = (appId: string) =>
    broken ? Promise.reject(new Error('file is not a database')) : mesh.registry.list(appId);
  const manager = new LinkManager({
    mesh: {
      kind: 'direct',
      open: (record) => mesh.open(record),
      close: () => mesh.close(),
      registry: { list, announce: (record) => mesh.registry.announce(record) },
    },
    identity: identityOf('gateway', 'g'),
    appId: 'stage-0',
    unlistedMs: 50,
    onMessage: () => undefined,
    onDown: () => undefined,
  });
  await eventually('a link', () => manager.links.length === 1);
  expect(manager.registryTrouble).toBeNull();
  broken = true;
  await eventually('trouble', () => manager.registryTrouble);
  expect(manager.registryTrouble).toBe('the registry can not be reached: file is not a database');
  expect(manager.links).toHaveLength(1);
  broken = false;
  await eventually('the end of it', () => manager.registryTrouble === null);
  await manager.close();
  await replica.announcement.withdraw();
  replica.server.close();
});
