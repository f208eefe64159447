import { lanesOf, partsOf } from '../../../services/console/requests/layout.js';
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
