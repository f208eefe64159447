import { create } from '@bufbuild/protobuf';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { announcedPlan, introduce, type Identity } from '../../../services/lib/mesh/identity.js';
import { accept } from '../../../services/lib/mesh/callee-link.js';
import { DirectMesh } from '../../../services/lib/mesh/direct-mesh.js';
import { LinkManager } from '../../../services/lib/mesh/link-manager.js';
import { logLinkTroubles } from '../../../services/lib/mesh/log-link-troubles.js';
import { serveLinks, type LinkServer } from '../../../services/lib/mesh/link-server.js';
import type { Announcement, Mesh, MessageStream } from '../../../services/lib/mesh/types.js';
import { message } from '../../../services/lib/wire/codec.js';
import { HelloSchema, StatusSchema, type Hello } from '../../../services/lib/wire/gen/stage_pb.js';
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
const status = () => create(StatusSchema);

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
async function startReplica(replica: string, split?: number[]): Promise<Replica> {
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
  const served = split && announcedPlan({ ...plan, split });
  const announcement = await mesh.registry.announce({
    appId: 'stage-0',
    replica,
    address,
    draining: false,
    plan: served,
  });
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

describe('replicas that come while it is there', () => {
  const record = (replica: string) => ({ appId: 'stage-0', replica, address: '', draining: false });
  /** A caller whose own openings reach whom they want, once `listed` names it. */
  const start = (listed: ReturnType<typeof record>[]) => {
    const opened: string[] = [];
    const ups: string[] = [];
    const mesh: Mesh = {
      kind: 'direct',
      registry: { list: () => Promise.resolve(listed), announce: () => Promise.reject(new Error('no')) },
      open: ({ replica }) => {
        opened.push(replica);
        const [near, far] = streamPair();
        answer(far, replica);
        return near;
      },
      close: () => Promise.resolve(),
    };
    const manager = new LinkManager({
      mesh,
      identity: identityOf('gateway', 'g'),
      appId: 'stage-0',
      onMessage: () => undefined,
      onUp: ({ replica }) => ups.push(replica),
      onDown: () => undefined,
    });
    return { manager, opened, ups };
  };
  const answer = (far: MessageStream, replica: string): void => {
    const nothing = () => undefined;
    accept(far, identityOf('stage-0', replica), status, {
      onLink: nothing,
      onMessage: nothing,
      onEnd: nothing,
    });
  };
  const helloOf = (replica: string, appId = 'stage-0') =>
    create(HelloSchema, { ...introduce(identityOf(appId, replica), '') });
  /** The stream that a replica opens, and why it ended. */
  const inviteTo = async (manager: LinkManager, hello: Hello): Promise<string | null> => {
    const [near, far] = streamPair();
    let reason: string | null = null;
    answer(far, hello.replica);
    near.listen({ onMessage: () => undefined, onEnd: ({ message: why }) => (reason = why) });
    await manager.invited(near, hello);
    return reason;
  };

  it('are called where they ask for it, and not looked for', async () => {
    const listed = [record('old')];
    const { manager, opened, ups } = start(listed);
    await eventually('the old one', () => manager.get('old'));
    await inviteTo(manager, helloOf('new'));
    expect(manager.get('new')).toBeDefined();
    listed.push(record('new'));
    // A second stream of the same replica is closed, and the link over the first one stays.
    const link = manager.get('new');
    expect(await inviteTo(manager, helloOf('new'))).toBe('closed');
    expect(manager.get('new')).toBe(link);
    expect([opened, ups]).toEqual([['old'], ['old', 'new']]);
    await manager.close();
    expect(await inviteTo(manager, helloOf('late'))).toBe('closed');
    expect(manager.links).toEqual([]);
  });

  it('are looked for when they have not come by themselves', async () => {
    const listed = [record('old')];
    const { manager, opened } = start(listed);
    await eventually('the old one', () => manager.get('old'));
    listed.push(record('shy'));
    const since = performance.now();
    await eventually('the shy one', () => manager.get('shy'));
    expect(performance.now() - since).toBeGreaterThan(1_500);
    expect(opened).toEqual(['old', 'shy']);
    await manager.close();
  });

  it('and are none of the stage that it calls are refused', async () => {
    const { manager } = start([]);
    expect(await inviteTo(manager, helloOf('x', 'stage-9'))).toBe('nobody calls stage-9 here');
    expect(manager.links).toEqual([]);
    await manager.close();
  });

  it('are answered a bounded number at a time, however many ask and say nothing more', async () => {
    const { manager } = start([]);
    let ends = 0;
    const answers = Array.from({ length: 100 }, (_, index) => {
      const [near, far] = streamPair();
      far.listen({ onMessage: () => undefined, onEnd: () => ends++ });
      return { far, answered: manager.invited(near, helloOf(`r${index}`)) };
    });
    await eventually('the last ones to be turned away', () => ends === 36);
    for (const { far } of answers) far.end();
    await Promise.all(answers.map(({ answered }) => answered));
    await manager.close();
  });
});

describe('with replicas of another plan', () => {
  it('holds links to the others, and tells of each once what differs', async () => {
    const replicas = [await startReplica('other', [8, 20]), await startReplica('same', [])];
    const told: string[] = [];
    const troubles: unknown[] = [];
    let looks = 0;
    const counted: Mesh = {
      kind: 'direct',
      registry: {
        list: (appId) => mesh.registry.list(appId).finally(() => looks++),
        announce: () => Promise.reject(new Error('nobody')),
      },
      open: (record) => mesh.open(record),
      close: () => Promise.resolve(),
    };
    const manager = new LinkManager({
      mesh: counted,
      identity: identityOf('gateway', 'g'),
      appId: 'stage-0',
      onMessage: () => undefined,
      onDown: () => undefined,
      onTrouble: (reason) => troubles.push(reason),
      onMisfit: (replica, difference) => told.push(`${replica}: ${difference}`),
    });
    await eventually('the same', () => manager.get('same'));
    await eventually('more looks', () => looks > 3);
    expect(told).toEqual(['other: split 8,20 instead of none']);
    expect(manager.disagreements).toEqual(['stage-0 has split 8,20 instead of none']);
    expect(troubles).toEqual([]);
    await replicas[0]!.announcement.withdraw();
    await eventually('nobody who disagrees', () => manager.disagreements.length === 0);
    await manager.close();
    await replicas[1]!.announcement.withdraw();
    for (const { server } of replicas) server.close();
  });

  it('warns of each refusal once, and of what will pass not at all', () => {
    const lines: string[] = [];
    const line = (level: string) => (fields: object) => lines.push(`${level} ${JSON.stringify(fields)}`);
    const log = { warn: line('warn'), debug: line('debug') };
    const { onTrouble, onMisfit } = logLinkTroubles(log as never, 'stage-1');
    const refused = new ServingError('protocol_mismatch', 'another plan than mine');
    for (let turn = 0; turn < 3; turn++) {
      onTrouble(refused);
      onTrouble(new ServingError('stream_broken', 'no welcome in time'));
      onMisfit('a', 'split 8,20 instead of 10,20');
    }
    onMisfit('b', 'split 8,20 instead of 10,20');
    const warnings = lines.filter((each) => each.startsWith('warn'));
    expect(lines).toHaveLength(10);
    expect(warnings).toHaveLength(3);
    expect(warnings[1]).toContain('stage-1/a');
    expect(warnings[1]).toContain('it has split 8,20 instead of 10,20');
  });

  it('warns of a bounded number of refusals', () => {
    let warnings = 0;
    const log = { warn: () => warnings++, debug: () => undefined };
    const { onTrouble } = logLinkTroubles(log as never, 'stage-1');
    for (let turn = 0; turn < 1_000; turn++) onTrouble(new ServingError('protocol_mismatch', `no ${turn}`));
    expect(warnings).toBe(32);
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

it('keeps its links while the registry cannot be reached, and tells that it cannot', async () => {
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
  expect(manager.registryTrouble).toBe('the registry cannot be reached: file is not a database');
  expect(manager.links).toHaveLength(1);
  broken = false;
  await eventually('the end of it', () => manager.registryTrouble === null);
  await manager.close();
  await replica.announcement.withdraw();
  replica.server.close();
});
