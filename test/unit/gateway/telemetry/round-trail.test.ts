import { RoundTrail } from '../../../../services/gateway/telemetry/round-trail.js';
import type { Round } from '../../../../services/gateway/telemetry/rounds.js';

const route = [{ appId: 'stage-0', replica: 'a' }];
const round = (phase: Round['phase']): Round => ({
  phase,
  route,
  roundTrip: 0.01,
  before: 0,
  path: [{ queue: 0.001, compute: 0.004 }],
  tokens: 1,
});

test('keeps the first rounds and the last, and counts those between', () => {
  const trail = new RoundTrail();
  trail.routed(route, 5);
  for (let number = 0; number < 1_000; number++)
    trail.add(round(number === 0 ? 'prefill' : 'decode'), number * 10);
  const { rounds, skipped_rounds } = trail.view();
  expect(rounds).toHaveLength(128);
  expect(skipped_rounds).toBe(872);
  expect(rounds[0]).toEqual({
    phase: 'prefill',
    route: 0,
    start_ms: 0,
    total_ms: 10,
    tokens: 1,
    stages: [{ queue_ms: 1, compute_ms: 4 }],
  });
  expect([rounds[63]!.start_ms, rounds[64]!.start_ms, rounds[127]!.start_ms]).toEqual([630, 9_360, 9_990]);
});

test('tells of every route why the one before was left, of very many the first and the last', () => {
  const trail = new RoundTrail();
  trail.routed(route, 0);
  trail.left('draining');
  trail.routed(route, 20);
  trail.add(round('decode'), 21);
  expect(trail.view().routes.map(({ reason }) => reason)).toEqual([null, 'draining']);
  expect(trail.view().rounds[0]!.route).toBe(1);
  expect(trail.reroutes).toBe(1);
  for (let number = 0; number < 100; number++) trail.routed(route, 30 + number);
  trail.add(round('decode'), 200);
  const { routes, rounds } = trail.view();
  expect(routes).toHaveLength(16);
  expect(rounds.at(-1)!.route).toBe(15);
  expect(trail.reroutes).toBe(101);
});
