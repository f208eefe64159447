import { create } from '@bufbuild/protobuf';
import type { Occupant } from '../../../../services/gateway/routing/occupancy.js';
import { RouteChooser } from '../../../../services/gateway/routing/route-chooser.js';
import type { Candidate } from '../../../../services/gateway/routing/router.js';
import { StatusSchema } from '../../../../services/lib/wire/gen/stage_pb.js';

const replica = (id: string, fields: { kvUsed?: number; draining?: boolean } = {}): Candidate => ({
  appId: 'stage',
  replica: id,
  draining: fields.draining ?? false,
  status: create(StatusSchema, { kvUsed: fields.kvUsed ?? 0, kvCapacity: 1_000 }),
});
const occupant = (link: Candidate, demand = 100): Occupant<Candidate> => ({ route: [link], demand });

describe('choosing a route', () => {
  const choose = (
    links: Candidate[],
    occupants: Occupant<Candidate>[],
    { demand = 100, avoid = [] as Candidate[] } = {},
  ): string => {
    const chooser = new RouteChooser(
      () => [links],
      () => occupants,
    );
    return chooser.choose({ length: 1, demand, prefix: [], avoid: new Set(avoid) })?.[0]!.replica ?? '';
  };
  const [x, y] = [replica('x'), replica('y')];

  it('takes the one that runs least', () => {
    expect(choose([x, y], [occupant(x)])).toBe('y');
  });

  it('avoids what it is told to, unless there is no other', () => {
    expect(choose([x, y], [occupant(x)], { avoid: [y] })).toBe('x');
    expect(choose([y], [], { avoid: [y] })).toBe('y');
  });

  it('avoids who says that it has no room, and who can have none by what we know to run there', () => {
    expect(choose([replica('full', { kvUsed: 950 }), y], [occupant(y)])).toBe('y');
    expect(choose([x, y], [occupant(x, 950), occupant(y), occupant(y)])).toBe('y');
  });

  it('refuses for good what would not fit even alone', () => {
    const chooser = new RouteChooser(
      () => [[x]],
      () => [],
    );
    const wish = { length: 1_000, demand: 1_000, prefix: [], avoid: new Set<Candidate>() };
    expect(() => chooser.choose(wish)).toThrow(
      expect.objectContaining({ code: 'kv_exhausted', retryAfter: Infinity }) as Error,
    );
  });

  it('prefers who holds the beginning, and forgets it when told so', () => {
    const chooser = new RouteChooser(
      () => [[x, y]],
      () => [],
    );
    const chosen = (): Candidate =>
      chooser.choose({ length: 1, demand: 100, prefix: ['one'], avoid: new Set() })![0]!;
    expect(chosen()).toBe(x);
    chooser.note([y], ['one'], 1);
    expect(chosen()).toBe(y);
    chooser.note([y], ['one'], 0);
    expect(chosen()).toBe(x);
  });

  it('knows a replica again that has a new link', () => {
    let links = [x, y];
    const chooser = new RouteChooser(
      () => [links],
      () => [],
    );
    chooser.note([y], ['one'], 1);
    links = [x, replica('y')];
    const wish = { length: 1, demand: 100, prefix: ['one'], avoid: new Set<Candidate>() };
    expect(chooser.choose(wish)).toEqual([links[1]]);
  });
});

describe('leaving a draining replica', () => {
  const leaving = replica('leaving', { draining: true });
  const canLeave = (others: Candidate[], occupants: Occupant<Candidate>[] = []): boolean =>
    new RouteChooser(
      () => [[leaving, ...others]],
      () => occupants,
    ).canLeaveDraining(occupant(leaving));

  it('needs another one, with room', () => {
    expect(canLeave([])).toBe(false);
    expect(canLeave([replica('other', { draining: true })])).toBe(false);
    expect(canLeave([replica('full', { kvUsed: 950 })])).toBe(false);
    const taken = replica('taken');
    expect(canLeave([taken], [occupant(taken, 950)])).toBe(false);
    expect(canLeave([replica('full', { kvUsed: 950 }), replica('free', { kvUsed: 900 })])).toBe(true);
  });

  it('needs it beside those who leave as well', () => {
    const chooser = new RouteChooser(
      () => [[leaving, replica('other', { kvUsed: 700 })]],
      () => [],
    );
    expect(chooser.canLeaveDraining(occupant(leaving), 200)).toBe(true);
    expect(chooser.canLeaveDraining(occupant(leaving), 201)).toBe(false);
  });
});
