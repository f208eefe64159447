import { RoundLog } from '../../../../services/gateway/report/round-log.js';
import { TotalsLog, type ReplicaTotals } from '../../../../services/gateway/report/totals-log.js';
import type { Round } from '../../../../services/gateway/telemetry/rounds.js';
import { totalsOf } from './totals.js';

const round = (replica: string, compute: number): Round => ({
  phase: 'decode',
  route: [
    { appId: 'stage-0', replica: 'a' },
    { appId: 'stage-1', replica },
  ],
  roundTrip: 20,
  before: 0,
  path: [
    { queue: 1, compute: 2 },
    { queue: 3, compute },
  ],
  tokens: 2,
});

describe('the log of rounds', () => {
  it('sums what lies in the window, by stage and by replica', () => {
    const log = new RoundLog();
    log.add(round('too old', 100), 4.9);
    log.add(round('b', 5), 5.1);
    log.add(round('c', 7), 7.9);
    log.add(round('not over yet', 100), 8.1);
    const { decode, prefill } = log.window(3, 8.5);
    expect(prefill.rounds).toBe(0);
    expect(decode).toMatchObject({ rounds: 2, tokens: 4, roundTrip: 40 });
    expect(decode.stages.get('stage-1')).toEqual({ queue: 6, compute: 12, rounds: 2 });
  });

  it('counts every second in which a round was under way, so that one of three seconds is one sequence', () => {
    const log = new RoundLog();
    for (let end = 3; end <= 30; end += 3) log.add({ ...round('b', 5), roundTrip: 3 }, end);
    const { decode, prefill } = log.window(30, 30.5);
    expect([decode.roundTrip, decode.activeSeconds]).toEqual([27, 30]);
    expect(prefill.activeSeconds).toBe(0);
    // Of two that were half a second each, in seconds of their own, the rest was idle.
    log.add({ ...round('b', 5), roundTrip: 0.5 }, 40.9);
    log.add({ ...round('b', 5), roundTrip: 0.5 }, 45.9);
    expect(log.window(10, 50).decode.activeSeconds).toBe(2);
  });

  it('forgets what no window reaches', () => {
    const log = new RoundLog();
    for (let second = 0; second < 2_000; second++) log.add(round('b', 5), second);
    expect(log.window(2_000, 2_000).decode.rounds).toBe(601);
  });
});

describe('the log of totals', () => {
  const replica = (name: string, steps: number, uptimeSeconds: number): ReplicaTotals => ({
    appId: 'stage-0',
    replica: name,
    processors: { owner: 'here', count: 2 },
    hops: { fromGateway: 0, toNext: 0 },
    prefill: totalsOf([]),
    decode: totalsOf(Array(steps).fill({ parts: 2, busy: 0.5 }), { uptimeSeconds }),
  });

  it('gives the difference between two readings, by the clock of the replica', () => {
    const log = new TotalsLog();
    log.add([replica('a', 3, 10)], 100);
    log.add([replica('a', 4, 12)], 103);
    log.add([replica('a', 9, 16)], 106);
    expect(log.window(3)).toMatchObject({
      seconds: 3,
      replicas: [
        { decode: { steps: 5, busySeconds: 2.5, uptimeSeconds: 4 }, ever: { decode: { steps: 9 } } },
      ],
    });
  });

  it.each([
    ['came', [replica('a', 3, 10)], [replica('a', 5, 12), replica('b', 1, 1)]],
    ['left', [replica('a', 3, 10), replica('b', 9, 9)], [replica('a', 5, 12)]],
    ['started again', [replica('a', 500, 1_000)], [replica('a', 5, 3)]],
  ])('begins when a replica %s', (_what, before, after) => {
    const log = new TotalsLog();
    log.add(before, 100);
    log.add(after, 103);
    expect(log.window(60)).toBeNull();
    log.add(
      after.map(({ replica: name, decode }) => replica(name, decode.steps + 2, decode.uptimeSeconds + 2)),
      105,
    );
    const window = log.window(60)!;
    expect(window.seconds).toBe(2);
    expect(window.replicas.map(({ decode }) => decode.steps)).toEqual(after.map(() => 2));
  });

  it('keeps no more for whoever asks all the time, and windows are as long', () => {
    const log = new TotalsLog();
    for (let tick = 0; tick <= 100_000; tick++) log.add([replica('a', 0, tick / 100)], tick / 100);
    expect(log.length).toBeLessThanOrEqual(2_500);
    expect(log.window(60)!.seconds).toBeGreaterThan(59);
    expect(log.window(60)!.seconds).toBeLessThanOrEqual(60);
  });

  it('keeps few readings of many replicas, and windows that are about as long', () => {
    const log = new TotalsLog();
    const { decode, ...rest } = replica('a', 0, 0);
    for (let second = 0; second <= 1_000; second++) {
      const told = Array.from({ length: 768 }, (_, index) => {
        const steps = second * index;
        return { ...rest, replica: `r${index}`, decode: { ...decode, steps, uptimeSeconds: second } };
      });
      log.add(second % 2 === 0 ? told : told.toReversed(), second);
    }
    // Each is 128 bytes of a replica.
    expect(log.length * 768 * 128).toBeLessThan(16 << 20);
    for (const seconds of [10, 60, 600]) {
      const window = log.window(seconds)!;
      expect(window.seconds).toBeGreaterThan(0.94 * seconds);
      expect(window.seconds).toBeLessThanOrEqual(seconds);
      for (const { replica: name, decode: done } of window.replicas) {
        expect([name, done.steps]).toEqual([name, Number(name.slice(1)) * window.seconds]);
        expect(done.uptimeSeconds).toBe(window.seconds);
      }
    }
  }, 30_000);

  it('is none before two readings', () => {
    const log = new TotalsLog();
    expect(log.window(60)).toBeNull();
    log.add([replica('a', 3, 10)], 100);
    expect(log.window(60)).toBeNull();
  });
});
