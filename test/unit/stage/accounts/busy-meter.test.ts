import fc from 'fast-check';
import { BusyMeter } from '../../../../services/stage/accounts/account.js';

describe('the busy meter', () => {
  it('is idle at first and busy while all time is booked', () => {
    const meter = new BusyMeter(100);
    expect(meter.ratio(100)).toBe(0);
    for (let now = 100.5; now <= 130; now += 0.5) meter.add(0.5, now);
    expect(meter.ratio(130)).toBeCloseTo(1, 5);
  });

  it('forgets what is older than its window', () => {
    const meter = new BusyMeter(0);
    meter.add(5, 5);
    expect(meter.ratio(5)).toBeCloseTo(1, 5);
    expect(meter.ratio(60)).toBe(0);
  });

  it('stays between 0 and 1 and close to what was booked', () => {
    const intervals = fc.array(
      fc.tuple(fc.double({ min: 0, max: 0.5, noNaN: true }), fc.double({ min: 0, max: 0.5, noNaN: true })),
      {
        minLength: 40,
        maxLength: 80,
      },
    );
    fc.assert(
      fc.property(intervals, (steps) => {
        const meter = new BusyMeter(7);
        let now = 7;
        const booked: [end: number, seconds: number][] = [];
        for (const [idle, busy] of steps) {
          now += idle + busy;
          meter.add(busy, now);
          booked.push([now, busy]);
          expect(meter.ratio(now)).toBeGreaterThanOrEqual(0);
          expect(meter.ratio(now)).toBeLessThanOrEqual(1);
        }
        const span = Math.min(10, now - 7);
        if (span < 5) return;
        const recent = booked
          .filter(([end]) => end > now - span)
          .reduce((sum, [, seconds]) => sum + seconds, 0);
        // The ring keeps whole seconds, so up to one second more or less than the window is counted.
        expect(Math.abs(meter.ratio(now) - recent / span)).toBeLessThanOrEqual(1.5 / span);
      }),
    );
  });
});
