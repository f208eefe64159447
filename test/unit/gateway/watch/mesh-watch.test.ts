import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { ReplicaTopology, StageTopology } from '../../../../services/gateway/generation/backend.js';
import type { ReplicaLink } from '../../../../services/gateway/generation/mesh-view.js';
import { changesBetween } from '../../../../services/gateway/watch/changes.js';
import { LoadLog } from '../../../../services/gateway/watch/load-log.js';
import { MeshWatch } from '../../../../services/gateway/watch/mesh-watch.js';
import { NumberedRing } from '../../../../services/gateway/watch/numbered-ring.js';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';

const replica = (id: string, more: Partial<ReplicaTopology> = {}): ReplicaTopology => ({
  id,
  host: 'here',
  pid: 1,
  state: 'ready',
  sequences: 0,
  kv_used: 0,
  kv_capacity: 64,
  busy_ratio: 0.5,
  rss_bytes: 1,
  ...more,
});

const stage = (...replicas: ReplicaTopology[]): StageTopology => ({
  app_id: 'stage-0',
  start: 0,
  end: 2,
  head: true,
  replicas,
});

/** A response that keeps what is written to it. */
class Viewer extends EventEmitter {
  text = '';
  writableLength = 0;
  destroyed = false;
  ended = false;

  writeHead(): this {
    return this;
  }

  write(text: string): boolean {
    this.text += text;
    return true;
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }

  events(kind: string): Record<string, unknown>[] {
    return [...this.text.matchAll(new RegExp(`event: ${kind}\\ndata: (.*)\\n`, 'g'))].map(
      ([, data]) => JSON.parse(data!) as Record<string, unknown>,
    );
  }

  get lastId(): string {
    return [...this.text.matchAll(/^id: (.*)$/gm)].at(-1)![1]!;
  }
}

/** Requests by their names: `running`, and what has ended. */
class ToldRequests {
  running: string[] = [];
  readonly over = new NumberedRing<string>(4);

  get cursor(): string {
    return this.over.lastId;
  }

  list(): string {
    return JSON.stringify([...this.running, ...this.over.items]);
  }

  news(cursor: string): string | null {
    const all = [...this.running, ...this.over.after(cursor).items];
    return all.length === 0 ? null : JSON.stringify(all);
  }
}

function watching(stages: StageTopology[]) {
  let looks = 0;
  let reports = 0;
  const requests = new ToldRequests();
  const links: ReplicaLink[] = [];
  const watch = new MeshWatch({
    gateway: 'g1',
    topology: () => {
      looks++;
      return { model: 'm', precision: 'f32', split: [], stages: [...stages] };
    },
    links: () => links,
    report: () => {
      reports++;
      throw new ServingError('nothing_measured', 'nothing');
    },
    counts: () => ({ running: 1, waiting: 2 }),
    load: new LoadLog(),
    requests,
  });
  const join = (lastId?: string): Viewer => {
    const viewer = new Viewer();
    watch.watch(viewer as unknown as ServerResponse, lastId);
    return viewer;
  };
  return { watch, stages, links, requests, join, looks: () => looks, reports: () => reports };
}

describe('changes between two looks', () => {
  it('are replicas that come, drain and go; a new process under an old name is both', () => {
    const before = [stage(replica('a'), replica('b'), replica('c'))];
    const after = [stage(replica('a', { state: 'draining' }), replica('c', { pid: 2 }), replica('d'))];
    expect(changesBetween(before, after)).toEqual([
      { kind: 'replica_gone', stage: 'stage-0', replica: 'b' },
      { kind: 'replica_gone', stage: 'stage-0', replica: 'c' },
      { kind: 'replica_up', stage: 'stage-0', replica: 'c' },
      { kind: 'replica_up', stage: 'stage-0', replica: 'd' },
      { kind: 'replica_draining', stage: 'stage-0', replica: 'a' },
    ]);
    expect(changesBetween(after, after)).toEqual([]);
  });
});

describe('who watches', () => {
  it('is told the state at once, then every second, and of what changes', () => {
    const mesh = watching([stage(replica('a'))]);
    const viewer = mesh.join();
    expect(viewer.events('state')).toMatchObject([{ gateway: 'g1', running: 1, waiting: 2 }]);
    mesh.watch.look();
    mesh.watch.moved('draining');
    mesh.watch.moved('draining');
    mesh.stages[0] = stage();
    mesh.watch.look();
    expect(viewer.events('state')).toHaveLength(3);
    expect(viewer.events('change')).toMatchObject([
      { kind: 'replica_up', replica: 'a' },
      { kind: 'replica_gone', replica: 'a' },
      { kind: 'sequences_moved', reason: 'draining', count: 2 },
    ]);
    mesh.watch.close();
    expect(viewer.ended).toBe(true);
    expect(() => mesh.join()).toThrow('the gateway is stopping');
  });

  it('is told all requests at once, then those that run or have ended since, and nothing where none did', () => {
    const mesh = watching([stage(replica('a'))]);
    mesh.requests.over.add(() => 'old');
    mesh.watch.look();
    mesh.requests.running = ['one'];
    const viewer = mesh.join();
    mesh.watch.look();
    mesh.requests.running = [];
    mesh.requests.over.add(() => 'one');
    mesh.watch.look();
    mesh.watch.look();
    expect(viewer.events('requests')).toEqual([['one', 'old'], ['one'], ['one']]);
    expect(viewer.events('state')).toHaveLength(4);
  });

  it('comes back and hears what it missed, once', () => {
    const mesh = watching([stage(replica('a'))]);
    mesh.watch.look();
    const first = mesh.join();
    mesh.stages[0] = stage(replica('a'), replica('b'));
    mesh.watch.look();
    const { lastId } = first;
    const again = mesh.join(lastId);
    expect(again.events('reset')).toEqual([]);
    expect(again.events('change')).toEqual([]);
    mesh.stages[0] = stage(replica('b'));
    mesh.watch.look();
    expect(mesh.join(lastId).events('change')).toMatchObject([{ kind: 'replica_gone', replica: 'a' }]);
    mesh.watch.close();
  });

  it.each(['', 'ffffffff-1', 'nonsense', '-1', '1-2-3'])('is told all anew with the id "%s"', (id) => {
    const mesh = watching([stage(replica('a'))]);
    mesh.watch.look();
    const viewer = mesh.join(id);
    expect(viewer.events('reset')).toHaveLength(1);
    expect(viewer.events('change')).toHaveLength(1);
    mesh.watch.close();
  });

  it('is told all that is kept where more has been missed than that, and no more is kept', () => {
    const mesh = watching([stage()]);
    mesh.watch.look();
    const first = mesh.join();
    mesh.stages[0] = stage(replica('first'));
    mesh.watch.look();
    const { lastId } = first;
    for (let round = 0; round < 400; round++) {
      mesh.stages[0] = stage(replica(`r${round}`));
      mesh.watch.look();
    }
    const late = mesh.join(lastId);
    expect(late.events('reset')).toHaveLength(1);
    expect(late.events('change')).toHaveLength(256);
    mesh.watch.close();
  });

  it('is cut off when it reads too slowly, and is one of at most 128', () => {
    const mesh = watching([stage(replica('a'))]);
    const viewers = Array.from({ length: 128 }, () => mesh.join());
    expect(() => mesh.join()).toThrow('128 watch this gateway already');
    viewers[0]!.writableLength = 1 << 20;
    mesh.watch.look();
    expect(viewers[0]!.destroyed).toBe(true);
    expect(mesh.watch.viewers).toBe(127);
    expect(mesh.join().events('state')).toHaveLength(1);
    mesh.watch.close();
  });

  it('is told the rates of now, not their mean since somebody watched last', () => {
    const mesh = watching([stage(replica('a'))]);
    const told = (uptimeSeconds: number, bytesIn: number): void => {
      const hops = { fromGateway: 0, toNext: 0 };
      mesh.links[0] = { appId: 'stage-0', replica: 'a', ...hops, bytesIn, bytesOut: 0, uptimeSeconds };
    };
    told(1, 0);
    mesh.join().destroy();
    told(100, 1_000_000);
    mesh.watch.look();
    told(102, 1_000_000);
    mesh.watch.look();
    const [state] = mesh.join().events('state');
    expect(state).toMatchObject({ stages: [{ links: [{ bytes_in_per_second: 0 }] }] });
    mesh.watch.close();
  });

  it('costs one look however many there are, and the report only while somebody watches', () => {
    const mesh = watching([stage(replica('a'))]);
    for (let tick = 0; tick < 10; tick++) mesh.watch.look();
    expect(mesh.reports()).toBe(0);
    Array.from({ length: 50 }, () => mesh.join());
    const [looks, reports] = [mesh.looks(), mesh.reports()];
    for (let tick = 0; tick < 10; tick++) mesh.watch.look();
    expect(mesh.looks() - looks).toBe(20);
    expect(mesh.reports() - reports).toBe(2);
    mesh.watch.close();
  });
});
