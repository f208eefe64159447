import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { announcedPlan } from '../../../services/lib/mesh/identity.js';
import { DocumentRegistry } from '../../../services/lib/mesh/registry.js';
import type { DocumentStore } from '../../../services/lib/mesh/types.js';
import { FileDocumentStore } from '../../../services/lib/mesh/direct-mesh.js';
import type { ReplicaRecord } from '../../../services/lib/mesh/types.js';
import { eventually } from '../../support/eventually.js';

/** Nobody dies of a slow machine where dying is not what is tested. */
const PATIENT = { renewMs: 60_000, expireMs: 60_000 };
const HASTY = { renewMs: 20, expireMs: 1_000 };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'registry-'));
});
afterEach(() => rm(directory, { recursive: true }));

const registry = (timing = PATIENT): DocumentRegistry =>
  new DocumentRegistry(new FileDocumentStore(directory), timing);
const record = (replica: string): ReplicaRecord => ({
  appId: 'stage-1',
  replica,
  address: `host:${replica}`,
  draining: false,
});
const ids = async (of: DocumentRegistry): Promise<string[]> =>
  (await of.list('stage-1')).map(({ replica }) => replica).toSorted();

describe('the registry', () => {
  it('lists what was announced, by app-id, until it is withdrawn', async () => {
    const announcement = await registry().announce(record('a'));
    expect(await registry().list('stage-1')).toEqual([record('a')]);
    expect(await registry().list('stage-2')).toEqual([]);
    await announcement.update({ draining: true });
    expect(await registry().list('stage-1')).toEqual([{ ...record('a'), draining: true }]);
    await announcement.withdraw();
    expect(await registry().list('stage-1')).toEqual([]);
  });

  it('shows all plans of a process that serves several, and of another version the one that it says', async () => {
    const plans = [[10, 20], [15], []].map((split) =>
      announcedPlan({ modelDigest: 'd', precision: 'int8', activations: 'f32', split }),
    );
    const [plan, ...furtherPlans] = plans;
    const announcement = await registry().announce({ ...record('a'), plan, furtherPlans });
    expect(await registry().list('stage-1')).toEqual([{ ...record('a'), plan, furtherPlans }]);
    await announcement.withdraw();
    const store = new FileDocumentStore(directory);
    const entry = { address: 'host:b', draining: false, beat: 1, plan };
    await store.write('replicas-stage-2', { b: entry }, null);
    expect(await registry().list('stage-2')).toEqual([{ ...record('b'), appId: 'stage-2', plan }]);
    await store.write('replicas-stage-3', { c: { ...entry, furtherPlans: ['x', { split: 3 }, plan] } }, null);
    expect(await registry().list('stage-3')).toMatchObject([{ plan, furtherPlans: [plan] }]);
    await store.write('replicas-stage-4', { d: { ...entry, furtherPlans: 'all' } }, null);
    expect((await registry().list('stage-4'))[0]).not.toHaveProperty('furtherPlans');
  });

  it('shows the plan of each, and none for what is no plan', async () => {
    const plan = announcedPlan({ modelDigest: 'd', precision: 'int8', activations: 'f32', split: [10, 20] });
    const announcement = await registry().announce({ ...record('a'), plan });
    await announcement.update({ draining: true });
    expect(await registry().list('stage-1')).toEqual([{ ...record('a'), draining: true, plan }]);

    const store = new FileDocumentStore(directory);
    const entry = { address: 'host:b', draining: false, beat: 1, plan: { split: 10 } };
    await store.write('replicas-stage-2', { b: entry }, null);
    expect(await registry().list('stage-2')).toEqual([{ ...record('b'), appId: 'stage-2', plan: undefined }]);
    await announcement.withdraw();
  });

  it('does not list again what is withdrawn while an update of it is written', async () => {
    const store = new FileDocumentStore(directory);
    let slow = false;
    const hesitant: DocumentStore = {
      read: async (key) => {
        const wait = slow;
        slow = false;
        if (wait) await delay(50);
        return store.read(key);
      },
      write: (key, value, etag) => store.write(key, value, etag),
    };
    const announcement = await new DocumentRegistry(hesitant, PATIENT).announce(record('a'));
    slow = true;
    const updated = announcement.update({ draining: true });
    await announcement.withdraw();
    await updated;
    expect(await ids(registry())).toEqual([]);
  });

  it('loses nobody when many announce at once', async () => {
    const names = Array.from({ length: 8 }, (_, index) => `r${index}`);
    const announcements = await Promise.all(names.map((name) => registry().announce(record(name))));
    expect(await ids(registry())).toEqual(names);
    await Promise.all(announcements.map((announcement) => announcement.withdraw()));
    expect(await ids(registry())).toEqual([]);
  });

  it('keeps a replica that renews, drops one that stopped', async () => {
    const alive = await registry(HASTY).announce(record('alive'));
    // A process that was killed: its record is there, and nobody renews it.
    const store = new FileDocumentStore(directory);
    await eventually('its record', async () => {
      const found = await store.read('replicas-stage-1');
      const dead = { address: 'x', draining: false, beat: 1 };
      return store.write('replicas-stage-1', { ...(found!.value as object), dead }, found!.etag);
    });
    const reader = registry(HASTY);
    expect(await ids(reader)).toEqual(['alive', 'dead']);
    await eventually('only the live one', async () => String(await ids(reader)) === 'alive');
    await alive.withdraw();
  });

  it('drops a replica that stopped, whatever its name is', async () => {
    const store = new FileDocumentStore(directory);
    const dead = { address: 'x', draining: false, beat: 1 };
    await store.write('replicas-stage-1', { 'a/b': dead, constructor: dead }, null);
    const reader = registry({ renewMs: 20, expireMs: 100 });
    expect(await ids(reader)).toEqual(['a/b', 'constructor']);
    await eventually('nobody', async () => (await ids(reader)).length === 0);
  });

  it('has many replicas renew more slowly, and holds them for living as much longer', async () => {
    const store = new FileDocumentStore(directory);
    const announced = [];
    for (let index = 0; index < 66; index++) announced.push(await registry().announce(record(`r${index}`)));
    const { r31, r65 } = (await store.read('replicas-stage-1'))!.value as Record<
      string,
      { slowness?: number }
    >;
    expect([r31!.slowness, r65!.slowness]).toEqual([undefined, 65 / 32]);
    for (const each of announced) await each.withdraw();

    const dead = { address: 'x', draining: false, beat: 1 };
    const document = { quick: dead, slow: { ...dead, slowness: 8 }, never: { ...dead, slowness: 1e9 } };
    await store.write('replicas-stage-2', document, null);
    const reader = registry({ renewMs: 20, expireMs: 200 });
    const listed = async () => (await reader.list('stage-2')).map(({ replica }) => replica).join();
    expect(await listed()).toBe('quick,slow');
    await eventually('one of them', async () => (await listed()) === 'slow');
    await eventually('none', async () => (await listed()) === '');
  });

  it('tells of a renewal that failed, and goes on renewing', async () => {
    const store = new FileDocumentStore(directory);
    let broken = false;
    const flaky: DocumentStore = {
      read: (key) => (broken ? Promise.reject(new Error('no store')) : store.read(key)),
      write: (key, value, etag) => store.write(key, value, etag),
    };
    const troubles: unknown[] = [];
    const announcement = await new DocumentRegistry(flaky, HASTY).announce(record('a'), {
      onTrouble: (reason) => troubles.push(reason),
    });
    broken = true;
    await eventually('trouble', () => troubles.length > 1);
    expect(troubles[0]).toMatchObject({ message: 'no store' });
    broken = false;
    const beat = async (): Promise<string> => JSON.stringify((await store.read('replicas-stage-1'))?.value);
    const before = await beat();
    await eventually('a renewal', async () => (await beat()) !== before);
    await announcement.withdraw();
  });

  it('waits for a store that is broken when a replica starts, and can be told to stop', async () => {
    const store = new FileDocumentStore(directory);
    let broken = true;
    const flaky: DocumentStore = {
      read: (key) => (broken ? Promise.reject(new Error('file is not a database')) : store.read(key)),
      write: (key, value, etag) => store.write(key, value, etag),
    };
    const troubles: unknown[] = [];
    const onTrouble = (reason: unknown): void => void troubles.push(reason);
    const stop = new AbortController();
    const stopped = new DocumentRegistry(flaky, HASTY).announce(record('b'), { signal: stop.signal });
    const waiting = new DocumentRegistry(flaky, HASTY).announce(record('a'), { onTrouble });
    await eventually('several tries', () => troubles.length > 3);
    stop.abort();
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
    broken = false;
    const announcement = await waiting;
    expect(await ids(registry())).toEqual(['a']);
    await announcement.withdraw();
  });

  it('reads past entries that it does not understand', async () => {
    const store = new FileDocumentStore(directory);
    await store.write(
      'replicas-stage-1',
      { odd: 'text', good: { address: 'h', draining: false, beat: 1 } },
      null,
    );
    expect(await ids(registry())).toEqual(['good']);
  });
});

describe('the file document store', () => {
  it('lets one of several writers win each version', async () => {
    const store = new FileDocumentStore(directory);
    for (let version = 0; version < 5; version++) {
      const before = await store.read('k');
      const wins = await Promise.all(
        [1, 2, 3, 4].map((writer) => store.write('k', { writer, version }, before?.etag ?? null)),
      );
      expect(wins.filter(Boolean)).toHaveLength(1);
    }
    expect((await store.read('k'))?.value).toMatchObject({ version: 4 });
  });

  it('tells a writer that slept through others that it was not the first', async () => {
    const store = new FileDocumentStore(directory);
    await store.write('k', 1, null);
    // JSON.stringify is called between its look at the newest version and its link: there it sleeps.
    const sleeper = {
      toJSON: () => {
        for (const version of [2, 3, 4]) writeFileSync(join(directory, `k.${version}`), String(version));
        for (const version of [1, 2]) rmSync(join(directory, `k.${version}`));
        return 'late';
      },
    };
    expect(await store.write('k', sleeper, '1')).toBe(false);
    expect(await store.read('k')).toEqual({ value: 4, etag: '4' });
    expect(readdirSync(directory).toSorted()).toEqual(['k.3', 'k.4']);
  });
});
