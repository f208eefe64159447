import { Patience, returnMs } from '../../../../services/gateway/generation/patience.js';

describe('patience', () => {
  let now = 0;
  beforeEach(() => {
    now = 0;
  });
  const patience = (totalMs: number): Patience =>
    new Patience(
      () => totalMs,
      () => now,
    );
  const pauses = (of: Patience): number[] => {
    const all: number[] = [];
    for (let pause = of.next(); pause !== null; pause = of.next()) {
      all.push(pause);
      now += pause;
    }
    return all;
  };

  it('tries at once, then after pauses that double, until its time is over', () => {
    expect(pauses(patience(4_000))).toEqual([0, 100, 200, 400, 800, 1_000, 1_000, 500]);
    expect(now).toBe(4_000);
  });

  it('counts from the first trouble, however long the tries themselves take', () => {
    const waiting = patience(4_000);
    now = 10_000;
    expect(waiting.next()).toBe(0);
    now += 3_990;
    expect(waiting.next()).toBe(10);
    now += 10;
    expect(waiting.next()).toBeNull();
  });

  it('begins anew when a token has come', () => {
    const waiting = patience(1_000);
    pauses(waiting);
    waiting.rewarded();
    expect(pauses(waiting)).toEqual([0, 100, 200, 400, 300]);
  });

  it('has all its time again once a route has agreed, if not its first short pauses', () => {
    const waiting = patience(1_000);
    pauses(waiting);
    waiting.agreed(0);
    now += 60_000;
    expect(pauses(waiting)).toEqual([1_000]);
  });

  it('ends with the sixth route that broke without a token', () => {
    const waiting = patience(60_000);
    for (let routes = 0; routes < 5; routes++) waiting.broke(0);
    expect(waiting.next()).toBe(0);
    waiting.broke(0);
    expect(waiting.next()).toBeNull();
    waiting.rewarded();
    expect(waiting.next()).toBe(0);
  });

  it('goes on as long as each route gets further with the prompt than those before', () => {
    const patience = new Patience(
      () => 10_000,
      () => 0,
    );
    const broken = (cachedTokens: number): number | null => {
      patience.agreed(cachedTokens);
      patience.broke(0);
      return patience.next();
    };
    for (let route = 1; route <= 20; route++) expect(broken(32 * route)).not.toBeNull();
    const stuck = Array.from({ length: 6 }, () => broken(640));
    expect(stuck.indexOf(null)).toBe(4);
  });

  it('makes up for a route that broke by one that lasted, but not for ever', () => {
    const waiting = patience(60_000);
    for (let routes = 0; routes < 39; routes++) {
      waiting.broke(10_000);
      expect(waiting.next()).not.toBeNull();
    }
    waiting.broke(10_000);
    expect(waiting.next()).toBeNull();
    waiting.rewarded();
    for (let routes = 0; routes < 5; routes++) waiting.broke(1_000);
    expect(waiting.next()).toBe(0);
    waiting.broke(1_000);
    expect(waiting.next()).toBeNull();
  });

  it('waits for a lost replica as the prompt has cost, but not for long', () => {
    expect([0, 400, 4_000, 60_000].map(returnMs)).toEqual([0, 100, 1_000, 2_000]);
  });

  it('of nothing tries nothing again', () => {
    expect(patience(0).next()).toBeNull();
  });
});
