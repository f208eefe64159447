import { whole as wholeOn } from '../../../../../scripts/lib/measure/experiment/fleets.js';
import {
  attainmentOf,
  capacityOf,
  kneeOf,
} from '../../../../../scripts/lib/measure/experiment/simulate/knee.js';
import { SERVER_LIMITS } from '../../../../../scripts/lib/measure/experiment/scenario.js';

const lengths = { promptTokens: 1_000, outputTokens: 200 };
const options = { hop: { baseMs: 0.5, msPerMB: 3 }, level: SERVER_LIMITS, seeds: [1] };
const whole = wholeOn('a100-40g', 1);

describe('the knee', () => {
  const knee = kneeOf(whole, lengths, options);

  it('is served, and a little more is not', () => {
    expect(attainmentOf(whole, lengths, knee.rate, options)).toBeGreaterThanOrEqual(0.9);
    expect(attainmentOf(whole, lengths, knee.rate * 1.1, options)).toBeLessThan(0.9);
  });

  it('is about what the devices carry by the utilisation law', () => {
    expect(knee.rate).toBeLessThan(1.2 * capacityOf(whole, lengths));
    expect(knee.rate).toBeGreaterThan(0.7 * capacityOf(whole, lengths));
    expect(knee.tokensPerDevice).toBeCloseTo(knee.rate * lengths.outputTokens, 6);
  });

  it('is lower where more requests must keep the level, and none where no request can', () => {
    expect(kneeOf(whole, lengths, { ...options, share: 0.99 }).rate).toBeLessThan(knee.rate);
    expect(kneeOf(whole, lengths, { ...options, level: { ttft: 2_000, tpot: 5 } }).rate).toBe(0);
  });
});
