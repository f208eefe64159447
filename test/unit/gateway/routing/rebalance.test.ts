import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { planRebalance, type Movable } from '../../../../services/gateway/routing/rebalance.js';
import type { Candidate } from '../../../../services/gateway/routing/router.js';
import { StatusSchema } from '../../../../services/lib/wire/gen/stage_pb.js';

const replica = (id: string, fields: { kvUsed?: number; kvCapacity?: number } = {}): Candidate => ({
  appId: 'stage',
  replica: id,
  draining: false,
  status: create(StatusSchema, { kvUsed: 0, kvCapacity: 1_000_000, ...fields }),
});
const [a, x, y, z] = ['a', 'x', 'y', 'z'].map((id) => replica(id)) as [
  Candidate,
  Candidate,
  Candidate,
  Candidate,
];

/** By default long settled, with far more to come than it has. */
const on = (link: Candidate, fields: Partial<Movable<Candidate>> = {}): Movable<Candidate> => ({
  route: [a, link],
  length: 100,
  maxLength: 1_000,
  demand: 1_000,
  settledMs: 60_000,
  ...fields,
});
const several = (count: number, link: Candidate): Movable<Candidate>[] =>
  Array.from({ length: count }, () => on(link));

describe('rebalancing', () => {
  it('moves a few at a time from the busiest replica to an idle one', () => {
    const moves = planRebalance([[a], [x, y, z]], [...several(8, x), ...several(4, y)]);
    expect(moves.map(({ from }) => from)).toEqual([x, x]);
    expect(new Set(moves.map(({ sequence }) => sequence)).size).toBe(2);
  });

  it('moves a quarter of what a replica lacks, where one that is new stands beside one that is overrun', () => {
    const counts: number[] = [];
    const sequences = several(64, x);
    for (;;) {
      const moves = planRebalance([[a], [x, y]], sequences);
      if (moves.length === 0) break;
      counts.push(moves.length);
      for (const { sequence } of moves) sequences[sequences.indexOf(sequence)] = on(y);
    }
    expect(counts).toEqual([8, 6, 5, 3]);
  });

  it.each([
    ['one alone', 1, 0],
    ['two that differ by one', 3, 2],
    ['a share that is not far from even', 5, 3],
  ])('leaves %s', (_, busy, idle) => {
    expect(planRebalance([[a], [x, y]], [...several(busy, x), ...several(idle, y)])).toEqual([]);
  });

  it('spreads two', () => {
    expect(planRebalance([[a], [x, y]], several(2, x))).toHaveLength(1);
  });

  it('has nothing to do where a stage has one replica, or none', () => {
    expect(planRebalance([[a], []], several(9, x))).toEqual([]);
  });

  it.each([
    ['has as little to come as it would cost', { length: 501 }],
    ['has just come', { settledMs: 4_000 }],
  ])('leaves what %s', (_, fields) => {
    expect(planRebalance([[a], [x, y]], [on(x, fields), on(x, fields), on(x, fields)])).toEqual([]);
  });

  it('moves what has the most to come', () => {
    const long = on(x, { maxLength: 4_000 });
    const [move] = planRebalance([[a], [x, y]], [on(x), long, on(x, { length: 10 })]);
    expect(move!.sequence).toBe(long);
  });

  it('moves nothing to where there is no room', () => {
    const small = replica('small', { kvUsed: 500, kvCapacity: 1_200 });
    const fits = on(x, { maxLength: 600, demand: 600 });
    expect(planRebalance([[a], [x, small]], several(4, x))).toEqual([]);
    // And what it has just been given is room that is taken.
    const moves = planRebalance(
      [[a], [x, small]],
      [fits, on(x, { maxLength: 650, demand: 650 }), ...several(4, x)],
    );
    expect(moves).toEqual([{ sequence: moves[0]!.sequence, from: x }]);
  });

  it('comes to an end, and never turns a difference round', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3), { maxLength: 40 }), (places) => {
        const links = [x, y, z, replica('w')];
        const sequences = places.map((place) => on(links[place]!));
        const runs = (link: Candidate): number =>
          sequences.filter(({ route }) => route.includes(link)).length;
        const spread = (): number => Math.max(...links.map(runs)) - Math.min(...links.map(runs));
        for (let round = 0; ; round++) {
          const moves = planRebalance([[a], links], sequences);
          if (moves.length === 0) break;
          expect(round).toBeLessThan(40);
          const before = spread();
          for (const { sequence, from } of moves) {
            const idlest = links.toSorted((one, other) => runs(one) - runs(other))[0]!;
            expect(runs(from) - runs(idlest)).toBeGreaterThanOrEqual(2);
            sequences[sequences.indexOf(sequence)] = on(idlest);
          }
          expect(spread()).toBeLessThanOrEqual(before);
        }
      }),
    );
  });
});
