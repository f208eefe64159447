import { Arrivals } from '../../../../services/gateway/demand/arrivals.js';
import { createRandom } from '../../../../services/lib/sampling/random.js';

const REQUEST = { requests: 1, prompt: 100, output: 40 };

/** Evenly spaced, `rate(second)` of them each second; what is thought of them at each second. */
function ratesOf(seconds: number, rate: (second: number) => number): number[] {
  const arrivals = new Arrivals();
  return Array.from({ length: seconds }, (_, second) => {
    const count = rate(second);
    for (let index = 0; index < count; index++) arrivals.add(REQUEST, second + index / count);
    return arrivals.rate(second + 0.999).requests;
  });
}

describe('the rate of arrivals', () => {
  it('is what comes, in requests and in tokens', () => {
    expect(ratesOf(60, () => 4).at(-1)).toBeCloseTo(4, 0);
    const arrivals = new Arrivals();
    for (let at = 0; at < 60; at += 0.25) arrivals.add(REQUEST, at);
    const { requests, prompt, output } = arrivals.rate(60);
    expect([prompt / requests, output / requests]).toEqual([100, 40]);
  });

  it('shows a step within two seconds, without shooting far over it', () => {
    const rates = ratesOf(120, (second) => (second < 60 ? 2 : 20));
    expect(rates[59]).toBeLessThan(2.5);
    expect(rates[61]).toBeGreaterThan(10);
    expect(Math.max(...rates)).toBeLessThan(24);
    expect(rates.at(-1)).toBeCloseTo(20, 0);
  });

  it('takes a ramp to where it will be when a replica has come', () => {
    const rates = ratesOf(60, (second) => Math.max(5, second));
    const mean = rates.slice(40).map((rate, index) => rate / (40 + index));
    expect(Math.min(...mean)).toBeGreaterThan(1);
    expect(Math.max(...mean)).toBeLessThan(2);
  });

  it('does not take chance for a change', () => {
    const next = createRandom(1);
    // So many tries of so little likelihood are a Poisson count, about.
    const rates = ratesOf(900, () => Array.from({ length: 100 }, next).filter((each) => each < 0.05).length);
    const settled = rates.slice(30);
    expect(settled.reduce((sum, rate) => sum + rate, 0) / settled.length).toBeCloseTo(5, 0);
    expect(Math.max(...settled)).toBeLessThan(5 * 1.8);
  });

  it('takes clients that begin together for no rate', () => {
    const arrivals = new Arrivals();
    for (let index = 0; index < 30; index++) arrivals.add(REQUEST, 100 + index / 100);
    for (const now of [100.4, 101, 102, 104]) expect(arrivals.rate(now).requests).toBeLessThan(1.1);
  });

  it('forgets, and keeps no more than half a minute', () => {
    expect(ratesOf(100, (second) => (second < 50 ? 50 : 0)).at(-1)).toBe(0);
  });

  it('is nothing before anything came', () => {
    expect(new Arrivals().rate(7)).toEqual({ requests: 0, prompt: 0, output: 0 });
  });
});
