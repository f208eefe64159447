import type { Round } from '../../../../services/gateway/telemetry/rounds.js';
import { LoadLog } from '../../../../services/gateway/watch/load-log.js';

const round = (phase: Round['phase'], roundTrip: number, tokens = 1): Round => ({
  phase,
  route: [],
  roundTrip,
  before: phase === 'prefill' ? 0.1 : 0,
  path: [],
  tokens,
});
const now = () => ({ running: 1, waiting: 0, replicas: [1], busy: [0.5] });

test('a point every five seconds: what was measured in them, and nothing of what was before', () => {
  const load = new LoadLog();
  expect(load.tick(0, now)).toBeNull();
  load.round(round('prefill', 0.2));
  for (const seconds of [0.02, 0.04, 0.06]) load.round(round('decode', seconds, 2));
  load.ended({ state: 'done' });
  load.ended({ state: 'failed' });
  load.ended({ state: 'abandoned' });
  expect(load.tick(4_000, now)).toBeNull();
  expect(load.tick(5_000, now)).toEqual({
    at: 5_000,
    ttft_p50: 300,
    ttft_p95: 300,
    itl_p50: 20,
    itl_p95: 30,
    tokens_per_second: 1.4,
    finished: 1,
    failed: 1,
    ...now(),
  });
  expect(load.tick(10_000, now)).toMatchObject({
    ttft_p50: null,
    itl_p50: null,
    tokens_per_second: 0,
    failed: 0,
  });
});

test('an hour is kept, and of a step so many samples as percentiles need', () => {
  const load = new LoadLog();
  for (let at = 0; at <= 5_000 * 1_000; at += 5_000) {
    for (let sample = 0; sample < 5; sample++) load.round(round('decode', 0.01));
    load.tick(at, now);
  }
  expect(load.points).toHaveLength(720);
  expect(load.points.at(-1)!.at).toBe(5_000_000);
});

test('percentiles are of the whole step, however much came at its beginning', () => {
  const load = new LoadLog();
  load.tick(0, now);
  for (let sample = 0; sample < 5_000; sample++) load.round(round('decode', 0.01));
  for (let sample = 0; sample < 15_000; sample++) load.round(round('decode', 0.5));
  expect(load.tick(5_000, now)).toMatchObject({ itl_p50: 500, itl_p95: 500 });
});

test('a clock that is set back costs no more than the step, and points stay in order', () => {
  const load = new LoadLog();
  for (const at of [3_600_000, 3_605_000, 3_610_000, 7_000]) load.tick(at, now);
  expect(load.points).toHaveLength(2);
  expect(load.tick(12_000, now)).not.toBeNull();
  expect(load.points.map(({ at }) => at)).toEqual([12_000]);
});
