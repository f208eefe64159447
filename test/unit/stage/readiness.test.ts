import { parseStageId, stageIds } from '../../../services/lib/config/app-id.js';
import { announcedPlan } from '../../../services/lib/mesh/identity.js';
import { DocumentRegistry } from '../../../services/lib/mesh/registry.js';
import type { Announcement, DocumentStore } from '../../../services/lib/mesh/types.js';
import { Readiness } from '../../../services/stage/readiness.js';
import { eventually } from '../../support/eventually.js';

const planOf = (...split: number[]) =>
  announcedPlan({ modelDigest: 'd', precision: 'int8', activations: 'f32', split });

/** One registry for all; `broken` makes its store fail. */
class MemoryStore implements DocumentStore {
  broken = false;
  readonly #documents = new Map<string, { text: string; version: number }>();

  read(key: string) {
    if (this.broken) return Promise.reject(new Error('no store'));
    const found = this.#documents.get(key);
    return Promise.resolve(
      found ? { value: JSON.parse(found.text) as unknown, etag: String(found.version) } : null,
    );
  }

  write(key: string, value: unknown, etag: string | null) {
    const version = this.#documents.get(key)?.version ?? 0;
    if (Number(etag ?? 0) !== version) return Promise.resolve(false);
    this.#documents.set(key, { text: JSON.stringify(value), version: version + 1 });
    return Promise.resolve(true);
  }
}

describe('a replica that starts', () => {
  let store: MemoryStore;
  let registry: DocumentRegistry;
  let warnings: string[];
  let started: Readiness[];
  beforeEach(() => {
    store = new MemoryStore();
    registry = new DocumentRegistry(store, { renewMs: 60_000, expireMs: 60_000 });
    warnings = [];
    started = [];
  });
  afterEach(() => started.forEach((each) => each.end('over')));

  const announce = (appId: string, ...split: number[]): Promise<Announcement> => {
    const replica = `${appId}-of-${split.join('-')}`;
    return registry.announce({ appId, replica, address: '', draining: false, plan: planOf(...split) });
  };
  /** A gateway and three stages. */
  const system = (...split: [number, number]): Promise<Announcement[]> =>
    Promise.all(['gateway', 'stage-0', 'stage-1', 'stage-2'].map((appId) => announce(appId, ...split)));
  /** As a stage does it: in the registry first. */
  const start = async (appId: string, ...split: number[]): Promise<Readiness> => {
    await announce(appId, ...split);
    const readiness = new Readiness({
      registry,
      plan: planOf(...split),
      stages: stageIds(parseStageId(appId)?.meshName ?? '', split.length + 1),
      log: { warn: (fields: unknown) => warnings.push((fields as { reason: string }).reason) } as never,
      lookMs: 5,
    });
    started.push(readiness);
    expect(readiness.reason).toBe('not announced yet');
    void readiness.settle();
    await eventually('a look', () => readiness.reason !== 'not announced yet');
    return readiness;
  };
  const settled = (readiness: Readiness) => eventually('ready', () => readiness.reason === null);
  /** Some looks later. */
  const afterLooks = async (): Promise<void> => {
    let looks = 0;
    const other = new Readiness({
      registry: { list: () => (looks++, Promise.reject(new Error('none'))) },
      plan: planOf(),
      stages: ['stage-0'],
      log: { warn: () => undefined },
      lookMs: 5,
    });
    void other.settle();
    await eventually('looks', () => looks > 8);
    other.end('over');
  };

  it('is ready at once where it is alone, or all agree', async () => {
    expect((await start('stage-1', 10, 20)).reason).toBeNull();
    await system(10, 20);
    expect((await start('stage-1', 10, 20)).reason).toBeNull();
    expect(warnings).toEqual([]);
  });

  it('is not ready with a split that fits nobody, says once which, and is ready when the others are gone', async () => {
    const others = await system(10, 20);
    const readiness = await start('stage-1', 8, 20);
    const reason =
      'nobody serves this plan as gateway, stage-0, stage-2; ' +
      'there is gateway, stage-0, stage-1, stage-2 with split 10,20 instead of 8,20';
    expect(readiness.reason).toBe(reason);
    await afterLooks();
    expect(warnings).toEqual([reason]);
    // The replica that can be used comes back beside it.
    expect((await start('stage-1', 10, 20)).reason).toBeNull();
    await registry
      .announce({ appId: 'stage-1', replica: 'stage-1-of-10-20', address: '', draining: false })
      .then((again) => again.withdraw());
    for (const other of others) await other.withdraw();
    await settled(readiness);
  });

  it('is ready with the last of a rollout of all services, and not before', async () => {
    await system(10, 20);
    const first = await start('stage-0', 15);
    expect(first.reason).toContain('nobody serves this plan as gateway, stage-1;');
    const second = await start('stage-1', 15);
    expect(second.reason).toContain('nobody serves this plan as gateway;');
    await announce('gateway', 15);
    await settled(first);
    await settled(second);
  });

  it('waits for no gateway where none says its plan', async () => {
    await announce('stage-0', 10);
    const record = { appId: 'gateway', replica: 'old', address: '', draining: false };
    await registry.announce(record);
    const readiness = await start('stage-0', 8);
    expect(readiness.reason).toContain('nobody serves this plan as stage-1;');
    await announce('stage-1', 8);
    await settled(readiness);
  });

  it('counts a gateway of several models for each of them', async () => {
    const [plan, ...furtherPlans] = [planOf(10, 20), planOf(15)];
    const record = { appId: 'gateway', replica: 'g', address: '', draining: false };
    await registry.announce({ ...record, plan, furtherPlans });
    expect((await start('stage-0', 10, 20)).reason).toBeNull();
    expect((await start('qwen-stage-0', 15)).reason).toBeNull();
    expect((await start('qwen-stage-0', 16)).reason).toContain(
      'gateway with split 10,20 instead of 16 or split 15 instead of 16',
    );
  });

  it('does not mind those that drain', async () => {
    const others = await system(10, 20);
    const readiness = await start('stage-1', 8, 20);
    expect(readiness.reason).not.toBeNull();
    for (const other of others) await other.update({ draining: true });
    await settled(readiness);
  });

  it('stays ready whoever comes', async () => {
    const readiness = await start('stage-1', 10, 20);
    await system(8, 20);
    await afterLooks();
    expect(readiness.reason).toBeNull();
  });

  it('is not ready while the registry cannot be read', async () => {
    await announce('stage-1', 10, 20);
    store.broken = true;
    const readiness = new Readiness({
      registry,
      plan: planOf(10, 20),
      stages: stageIds('', 3),
      log: { warn: () => undefined },
      lookMs: 5,
    });
    started.push(readiness);
    void readiness.settle();
    await eventually('a look', () => readiness.reason === 'the registry cannot be read: no store');
    store.broken = false;
    await settled(readiness);
  });

  it('is not ready once it drains, also if it was still waiting', async () => {
    const others = await system(10, 20);
    const readiness = await start('stage-1', 8, 20);
    readiness.end('draining');
    for (const other of others) await other.withdraw();
    await afterLooks();
    expect(readiness.reason).toBe('draining');
  });
});
