import fc from 'fast-check';
import { MAX_LOGPROBS, RatedLogits } from '../../../services/lib/sampling/logits.js';
import { thrownBy } from '../../support/thrown-by.js';

const rows = fc
  .array(fc.oneof(fc.float({ min: -60, max: 60, noNaN: true }), fc.constantFrom(0, 3, 3.5)), {
    minLength: 1,
    maxLength: 300,
  })
  .map((values) => Float32Array.from(values));

/** The plain softmax, in doubles. */
function logSoftmax(logits: Float32Array): number[] {
  const values = [...logits];
  const highest = Math.max(...values);
  const total = Math.log(values.reduce((sum, value) => sum + Math.exp(value - highest), 0));
  return values.map((value) => value - highest - total);
}

describe('rated logits', () => {
  it('are the logarithms of softmax, with the likeliest tokens in order', () => {
    fc.assert(
      fc.property(rows, fc.nat(MAX_LOGPROBS), fc.nat(), (logits, count, pick) => {
        const token = pick % logits.length;
        const expected = logSoftmax(logits);
        const ranked = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
        const found = new RatedLogits(logits, count).of(token);
        expect(found.ids).toEqual(ranked.slice(0, count));
        expect(found.rank).toBe(ranked.indexOf(token) + 1);
        expect(found.values).toHaveLength(found.ids.length);
        for (const [id, value] of [
          ...found.ids.map((id, at) => [id, found.values[at]!] as const),
          [token, found.logprob] as const,
        ])
          expect(Math.abs(value - expected[id]!)).toBeLessThan(1e-9);
      }),
    );
  });

  it('of logits far apart are finite', () => {
    const { logprob, rank } = new RatedLogits(Float32Array.of(3e38, -3e38, 0), 1).of(1);
    expect([Number.isFinite(logprob), rank]).toEqual([true, 3]);
  });

  it('are of numbers, and of tokens that there are', async () => {
    for (const bad of [NaN, Infinity, -Infinity])
      expect((await thrownBy(() => new RatedLogits(Float32Array.of(1, bad, 2), 1))).code).toBe(
        'logits_invalid',
      );
    expect((await thrownBy(() => new RatedLogits(Float32Array.of(1, 2), 1).of(2))).code).toBe(
      'invalid_frame',
    );
  });

  it('tell of no more tokens than anybody may ask for', () => {
    expect(new RatedLogits(new Float32Array(100), 4e9).of(0).ids).toHaveLength(MAX_LOGPROBS);
  });
});
