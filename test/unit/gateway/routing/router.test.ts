import { create } from '@bufbuild/protobuf';
import {
  loadOf,
  onSomeRoute,
  pickRoute,
  type Candidate,
} from '../../../../services/gateway/routing/router.js';
import { createRandom } from '../../../../services/lib/sampling/random.js';
import { StatusSchema } from '../../../../services/lib/wire/gen/stage_pb.js';

const replica = (
  id: string,
  fields: { draining?: boolean; next?: string[]; kvUsed?: number } = {},
): Candidate => ({
  appId: 'stage',
  replica: id,
  draining: fields.draining ?? false,
  status: create(StatusSchema, {
    nextReplicas: fields.next ?? [],
    kvUsed: fields.kvUsed ?? 0,
    kvCapacity: 100,
  }),
});

const none = (): number => 0;
const ids = (route: Candidate[]): string => route.map((link) => link.replica).join('>');

describe('the router', () => {
  it('spreads sequences: fewest running first, then most free KV room', () => {
    const stages = [
      [replica('a', { next: ['x', 'y', 'z'] })],
      [replica('x'), replica('y', { kvUsed: 50 }), replica('z')],
    ];
    const running = new Map([
      ['x', 2],
      ['y', 1],
      ['z', 1],
    ]);
    expect(ids(pickRoute(stages, (link) => running.get(link.replica) ?? 0))).toBe('a>z');
  });

  it('goes on as those go that came the same way, unless that runs more than one sequence more', () => {
    const next = ['x', 'y'];
    const [a, b] = [replica('a', { next }), replica('b', { next })] as const;
    const [x, y] = [replica('x'), replica('y')] as const;
    const pick = (routes: Candidate[][]): string => {
      const running = (link: Candidate): number => routes.filter((route) => route.includes(link)).length;
      return ids(
        pickRoute(
          [
            [a, b],
            [x, y],
          ],
          (link) => loadOf(running(link), 0),
          routes,
        ),
      );
    };
    const [ax, ay, by] = [
      [a, x],
      [a, y],
      [b, y],
    ];
    expect(pick([ax])).toBe('b>y');
    expect(pick([ax, by])).toBe('a>x');
    expect(pick([ax, by, by])).toBe('a>x');
    expect(pick([ax, ax, by, ay, by, by])).toBe('a>x');
    // One more runs in x than in y, and then two.
    expect(pick([ax, ax, [b, x], by, by])).toBe('a>x');
    expect(pick([ax, ax, [b, x], by])).toBe('a>y');
  });

  it('uses few of the ways that there are, and keeps all replicas about as busy', () => {
    const names = (stage: number, count: number): string[] =>
      Array.from({ length: count }, (_, each) => `${stage}${each}`);
    const counts = [1, 2, 4, 2];
    const stages = counts.map((count, stage) =>
      names(stage, count).map((name) => replica(name, { next: names(stage + 1, counts[stage + 1] ?? 0) })),
    );
    const random = createRandom(2);
    const routes: Candidate[][] = [];
    for (let turn = 0; turn < 400; turn++) {
      const running = (link: Candidate): number => routes.filter((route) => route.includes(link)).length;
      if (routes.length >= 32) routes.splice(Math.floor(random() * routes.length), 1);
      routes.push(pickRoute(stages, (link) => loadOf(running(link), 0), routes));
      const loads = stages.map((links) => links.map(running));
      for (const each of loads) expect(Math.max(...each) - Math.min(...each)).toBeLessThanOrEqual(3);
    }
    // Of sixteen ways.
    expect(new Set(routes.map(ids)).size).toBeLessThanOrEqual(8);
  });

  it('prefers the replica that has the prompt, unless it is much busier', () => {
    const stages = [[replica('idle'), replica('warm', { kvUsed: 50 })]];
    const pick = (running: number, cachedTokens: number): string =>
      ids(
        pickRoute(stages, ({ replica: id }) =>
          id === 'warm' ? loadOf(running, cachedTokens) : loadOf(0, 0),
        ),
      );
    expect(pick(0, 32)).toBe('warm');
    expect(pick(3, 1_000)).toBe('warm');
    expect(pick(4, 1_000)).toBe('idle');
    expect(pick(1, 32)).toBe('idle');
    expect(pick(0, 0)).toBe('idle');
  });

  it('takes no draining replica', () => {
    expect(ids(pickRoute([[replica('a', { draining: true }), replica('b')]], none))).toBe('b');
  });

  it('takes only replicas that can reach one another, even where that costs the best first choice', () => {
    const stages = [
      [replica('a', { next: ['dead-end'] }), replica('b', { next: ['x'], kvUsed: 90 })],
      [replica('x')],
    ];
    expect(ids(pickRoute(stages, none))).toBe('b>x');
  });

  it('enters a dead end once, however many ways lead into it', () => {
    let looks = 0;
    const watched = (id: string, next: string[]): Candidate => {
      const link = replica(id, { next });
      return {
        ...link,
        get status() {
          looks++;
          return link.status;
        },
      };
    };
    const names = Array.from({ length: 6 }, (_, index) => `r${index}`);
    const full = Array.from({ length: 9 }, () => names.map((name) => watched(name, names)));
    expect(() => pickRoute([...full, [replica('unknown')]], none)).toThrow('no replica of stage-9');
    expect(looks).toBeLessThan(2_000); // of 6 ** 9 ways
  });

  it('knows which replicas no route goes through', () => {
    const stages = [
      [replica('a', { next: ['x', 'w'] }), replica('b', { next: ['w'] }), replica('c', { next: [] })],
      [replica('x'), replica('y'), replica('w', { draining: true })],
    ];
    expect(onSomeRoute(stages).map(ids)).toEqual(['a', 'x']);
    expect(onSomeRoute([[], [replica('x')]])).toEqual([[], []]);
  });

  it('knows the same of any mesh as who tries each replica alone', () => {
    const random = createRandom(1);
    const mesh = (): Candidate[][] =>
      Array.from({ length: 4 }, (_, stage) =>
        Array.from({ length: 1 + Math.floor(random() * 4) }, (__, index) => {
          const next = ['0', '1', '2', '3'].filter(() => random() < 0.3).map((each) => `${stage + 1}${each}`);
          return replica(`${stage}${index}`, { next, draining: random() < 0.1 });
        }),
      );
    const isOnRoute = (stages: Candidate[][], index: number, link: Candidate): boolean => {
      try {
        return pickRoute(stages.with(index, [link]), none).length > 0;
      } catch {
        return false;
      }
    };
    const meshes = Array.from({ length: 200 }, mesh);
    const plain = meshes.map((stages) =>
      stages.map((links, index) => ids(links.filter((link) => isOnRoute(stages, index, link)))),
    );
    expect(meshes.map((stages) => onSomeRoute(stages).map(ids))).toEqual(plain);
    expect(plain.filter(([first]) => first !== '').length).toBeGreaterThan(20);
  });

  it.each([
    ['stage-0', [[], [replica('x')]]],
    ['stage-1', [[replica('a', { next: ['x'] })], [replica('x', { draining: true })]]],
  ])('names %s when the way ends there', (name, stages) => {
    expect(() => pickRoute(stages, none)).toThrow(`no replica of ${name} can be reached`);
  });
});
