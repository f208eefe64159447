import fc from 'fast-check';
import { Bucket } from '../../../../services/gateway/keys/bucket.js';

describe('a bucket', () => {
  let now = 0;
  const bucket = (perMinute: number): Bucket => new Bucket(perMinute, () => now);
  beforeEach(() => (now = 0));

  it('may be emptied at once, and is full again a minute later', () => {
    const sixty = bucket(60);
    sixty.take(60);
    expect([sixty.level, sixty.secondsUntil(1), sixty.secondsUntil(60)]).toEqual([0, 1, 60]);
    now = 1_000;
    expect([sixty.level, sixty.secondsUntil(1)]).toEqual([1, 0]);
    now = 600_000;
    expect(sixty.level).toBe(60);
  });

  it('is owed what was taken beyond what there was', () => {
    const sixty = bucket(60);
    sixty.take(90);
    expect(sixty.level).toBe(-30);
    expect(sixty.secondsUntil(1)).toBeCloseTo(31);
    sixty.take(-80);
    expect(sixty.level).toBe(50);
    sixty.take(-80);
    expect(sixty.level).toBe(60);
  });

  it('never holds more than a minute has', () => {
    expect(bucket(60).secondsUntil(61)).toBe(Infinity);
  });

  it('keeps what has been taken when its size changes', () => {
    const changed = bucket(60);
    changed.take(50);
    changed.resize(100);
    expect(changed.level).toBe(50);
    changed.resize(10);
    expect(changed.level).toBe(-40);
  });

  it('gives in any time no more than a minute has and what comes back in that time', () => {
    const asked = fc.array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 1, max: 30 })));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), asked, (perMinute, turns) => {
        now = 0;
        const some = bucket(perMinute);
        let given = 0;
        for (const [pause, amount] of turns) {
          now += pause;
          if (some.secondsUntil(amount) > 0) continue;
          some.take(amount);
          given += amount;
        }
        expect(given).toBeLessThanOrEqual(perMinute + (now / 60_000) * perMinute + 1e-6);
      }),
    );
  });
});
