import { chunkRows, lanesOf, numberOf, partsOf } from '../../../services/console/requests/layout.js';
import type { RoundView } from '../../../services/gateway/telemetry/round-trail.js';
import type { Timings } from '../../../services/gateway/telemetry/timings.js';

const timings: Timings = {
  total_ms: 100,
  tokenize_ms: 2,
  queue_ms: 3,
  route_ms: 5,
  prefill_ms: 40,
  decode_ms: 38,
  gateway_ms: 12,
  reroute_ms: 0,
  decode_rounds: 2,
  stages: ['stage-0', 'stage-1'].map((stage) => ({
    stage,
    replica: 'r',
    prefill: { queue_ms: 1, compute_ms: 14 },
    decode: { queue_ms: 2, compute_ms: 15 },
  })),
  hops: { prefill_ms: 10, decode_ms: 4 },
};

const round = (start_ms: number, phase: RoundView['phase'] = 'decode', tokens = 1): RoundView => ({
  phase,
  route: 0,
  start_ms,
  total_ms: 12,
  tokens,
  stages: [
    { queue_ms: 1, compute_ms: 2 },
    { queue_ms: 0, compute_ms: 3 },
  ],
});

const hops = ['stage-0', 'stage-1'].map((appId) => ({ appId, replica: 'r' }));
const routes = [{ start_ms: 10, hops, reason: null }];

test('the parts sum to the whole, and what took nothing is no part', () => {
  const parts = partsOf(timings);
  expect(parts.reduce((sum, { ms }) => sum + ms, 0)).toBe(timings.total_ms);
  expect(parts.map(({ name }) => name)).not.toContain('rerouting');
});

test('a round is drawn in the order of the stages, with what was on the way in equal pieces between', () => {
  const [gateway, first, second] = lanesOf(timings, [round(20, 'prefill'), round(40, 'decode', 3)], routes);
  expect(gateway!.bars.map(({ label, start, length }) => [label, start, length])).toEqual([
    ['parsing', 0, 10],
    ['tokenize', 10, 2],
    ['admission', 12, 3],
    ['route', 15, 5],
    ['the gateway or its client has the token', 32, 8],
  ]);
  expect([first!.name, second!.name]).toEqual(['stage-0', 'stage-1']);
  // 12 less 6 in the stages are 2 before, between and after.
  expect(first!.bars.slice(0, 2)).toEqual([
    { kind: 'queue', start: 22, length: 1, label: 'stage-0: prompt waits' },
    { kind: 'compute', start: 23, length: 2, label: 'stage-0: prompt computed' },
  ]);
  expect(second!.bars).toEqual([
    { kind: 'compute', start: 27, length: 3, label: 'stage-1: prompt computed' },
    { kind: 'compute', start: 47, length: 3, label: 'stage-1: 3 tokens computed' },
  ]);
});

test('a request that never ran has a lane for the gateway alone', () => {
  expect(lanesOf({ ...timings, total_ms: 10 }, [], [])).toMatchObject([{ name: 'gateway' }]);
});

test('where rounds in the middle were not kept nothing is drawn, and those after them keep their numbers', () => {
  const rounds = [round(20, 'prefill'), round(32), round(900), round(912)];
  const [gateway] = lanesOf(timings, rounds, routes, 10);
  expect(gateway!.bars.filter(({ start }) => start >= 20)).toEqual([]);
  expect(rounds.map((_, index) => numberOf(index, rounds.length, 10))).toEqual([0, 1, 12, 13]);
  expect(rounds.map((_, index) => numberOf(index, rounds.length, 0))).toEqual([0, 1, 2, 3]);
});

test('the time between a route that broke and the next is no time of the gateway or its client', () => {
  const moved = [...routes, { start_ms: 3_020, hops, reason: 'step_timeout' }];
  const [gateway] = lanesOf(timings, [round(20, 'prefill'), { ...round(3_032), route: 1 }], moved);
  expect(gateway!.bars.at(-1)).toEqual({
    kind: 'reroute',
    start: 32,
    length: 3_000,
    label: 'it goes over to another route',
  });
});

test('a route that broke before the first token is no parsing', () => {
  const moved = [
    { ...routes[0]!, start_ms: 20 },
    { start_ms: 3_020, hops, reason: 'replica_lost' },
  ];
  const [gateway] = lanesOf(timings, [{ ...round(3_020, 'prefill'), route: 1 }], moved);
  expect(gateway!.bars.map(({ kind, start, length }) => [kind, start, length])).toEqual([
    ['gateway', 0, 10],
    ['gateway', 10, 2],
    ['queue', 12, 3],
    ['gateway', 15, 5],
    ['reroute', 20, 3_000],
  ]);
});

test('the chunks of a prompt stand where they were computed, before the last came or while it waited', () => {
  const chunk = (compute_ms: number, ago_ms: number) => ({ rows: 64, compute_ms, ago_ms });
  const prompt: RoundView = {
    ...round(20, 'prefill'),
    total_ms: 18,
    stages: [
      // While the second was computed the last had come: it is told of both.
      { queue_ms: 1, compute_ms: 5, chunks: [chunk(3, 6), chunk(4, 2)] },
      { queue_ms: 0, compute_ms: 3, chunks: [chunk(4, 8), chunk(4, 4)] },
    ],
  };
  const [, first, second] = lanesOf(timings, [prompt], routes);
  const drawn = (lane: typeof first): unknown[] =>
    lane!.bars.map(({ kind, start, length }) => [kind, start, length]);
  // Of 18, 9 are on the way: it is in stage-0 from 23 until 29, and in stage-1 from 32 until 35.
  expect(drawn(first)).toEqual([
    ['compute', 20, 3],
    ['compute', 23, 4],
    ['queue', 27, 1],
    ['compute', 28, 1],
  ]);
  expect(drawn(second)).toEqual([
    ['compute', 23, 4],
    ['compute', 27, 4],
    ['compute', 32, 3],
  ]);
  expect(first!.bars[0]!.label).toBe('stage-0: prompt, chunk 1 of 3 with 64 rows, computed');
  expect(chunkRows(prompt)).toEqual([
    { rows: 64, computed: [3, 4] },
    { rows: 64, computed: [4, 4] },
  ]);
});
