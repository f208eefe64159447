import fc from 'fast-check';
import { roundsPerSecond, type ClosedNetwork } from '../../../../services/gateway/report/queueing-model.js';

/** Rounds per second of groups that really go round, first come first served, step by step: the plain version. */
function simulate({ groups, stations, delay }: ClosedNetwork): number {
  const rounds = 400;
  const free = stations.map(({ servers }) => new Array<number>(servers).fill(0));
  const ready = Array.from({ length: groups }, () => 0);
  const finished: number[] = [];
  // Whoever is ready first enters next; in a ring of queues that keeps its order, so does every station.
  const events = ready.map((at, group) => ({ at, group, station: 0 }));
  while (finished.length < rounds * groups) {
    events.sort((a, b) => a.at - b.at);
    const event = events.shift()!;
    const { service } = stations[event.station]!;
    const servers = free[event.station]!;
    const earliest = servers.indexOf(Math.min(...servers));
    const end = Math.max(event.at, servers[earliest]!) + service;
    servers[earliest] = end;
    const last = event.station === stations.length - 1;
    if (last) finished.push(end + delay);
    events.push({ group: event.group, at: last ? end + delay : end, station: last ? 0 : event.station + 1 });
  }
  const half = finished.length / 2;
  return (finished.length - 1 - half) / (finished.at(-1)! - finished[half]!);
}

const network = fc.record({
  groups: fc.integer({ min: 1, max: 6 }),
  stations: fc.array(
    fc.record({ service: fc.integer({ min: 1, max: 50 }), servers: fc.integer({ min: 1, max: 3 }) }),
    { minLength: 1, maxLength: 5 },
  ),
  delay: fc.integer({ min: 0, max: 40 }),
});

test('groups of regular steps come round as fast as the bounds say', () => {
  fc.assert(
    fc.property(network, (given) => {
      const closed = { ...given, machines: [] };
      expect(simulate(closed) / roundsPerSecond(closed)).toBeGreaterThan(0.97);
      expect(simulate(closed) / roundsPerSecond(closed)).toBeLessThan(1.03);
    }),
    { numRuns: 60 },
  );
});

test('a machine that several stations share is a bound of its own', () => {
  const stations = [
    { service: 1, servers: 1 },
    { service: 1, servers: 1 },
  ];
  const shared = { groups: 4, stations, delay: 0, machines: [{ demand: 3, processors: 2 }] };
  expect(roundsPerSecond(shared)).toBeCloseTo(2 / 3);
});
