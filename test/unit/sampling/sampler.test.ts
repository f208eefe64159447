import fc from 'fast-check';
import { argmax } from '../../../services/lib/sampling/logits.js';
import { createSampler } from '../../../services/lib/sampling/sampler.js';
import { draw } from '../../../services/lib/sampling/draw.js';
import { neutral } from '../../support/sampling.js';
import { thrownBy } from '../../support/thrown-by.js';
import { plainCandidates, plainPenalties } from './plain-sampler.js';

const logitsOf = (values: readonly number[]): Float32Array => Float32Array.from(values);

/** Few distinct values, so that ties are common, beside any at all. */
const anyLogits = fc
  .array(fc.oneof(fc.integer({ min: -4, max: 4 }), fc.double({ min: -30, max: 30, noNaN: true })), {
    minLength: 1,
    maxLength: 60,
  })
  .map(logitsOf);

const anyCut = fc.record({
  temperature: fc.double({ min: 0.05, max: 2, noNaN: true }),
  topK: fc.integer({ min: 0, max: 70 }),
  topP: fc.oneof(fc.constant(1), fc.double({ min: 0.01, max: 1, noNaN: true })),
  minP: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })),
});

const EDGE = 1e-9;

describe('drawing a token', () => {
  test('draws only what sorting everything would keep, from any place of the distribution', () => {
    fc.assert(
      fc.property(
        anyLogits,
        anyCut,
        fc.double({ min: 0, max: 1 - 2 ** -53, noNaN: true }),
        (logits, cut, u) => {
          const token = draw(logits, logits[argmax(logits)]!, cut, u);
          expect([...plainCandidates(logits, cut, EDGE).keys()]).toContain(token);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('gives each candidate its probability: a fine grid of positions lands in proportion', () => {
    const grid = 2000;
    fc.assert(
      fc.property(anyLogits, anyCut, (logits, cut) => {
        // Where rounding decides who is in the nucleus, the plain version has no single answer.
        const expected = plainCandidates(logits, cut);
        fc.pre(expected.size === plainCandidates(logits, cut, EDGE).size);
        fc.pre(expected.size === plainCandidates(logits, cut, -EDGE).size);

        const hits = new Map<number, number>();
        for (let step = 0; step < grid; step += 1) {
          const token = draw(logits, logits[argmax(logits)]!, cut, (step + 0.5) / grid);
          hits.set(token, (hits.get(token) ?? 0) + 1);
        }
        for (const [token, probability] of expected) {
          expect(Math.abs((hits.get(token) ?? 0) - probability * grid)).toBeLessThanOrEqual(1 + 1e-6);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('a sampler', () => {
  test('is greedy at temperature 0, the lowest id of equal ones', () => {
    const sampler = createSampler({ ...neutral, temperature: 0 }, []);
    expect(sampler.sample(logitsOf([1, 7, 3, 7]))).toBe(1);
  });

  test('top_k 1 is greedy at any temperature', () => {
    fc.assert(
      fc.property(anyLogits, fc.integer(), (logits, seed) => {
        const best = argmax(logits);
        expect(createSampler({ ...neutral, topK: 1, temperature: 2, seed }, []).sample(logits)).toBe(best);
      }),
    );
  });

  test('same seed, same tokens; another seed, others', () => {
    const run = (seed: number): number[] => {
      const sampler = createSampler({ ...neutral, seed }, []);
      return Array.from({ length: 32 }, () => sampler.sample(new Float32Array(1000)));
    };
    expect(run(7)).toEqual(run(7));
    expect(run(7)).not.toEqual(run(8));
  });

  test('goes on as another one would that has picked the tokens before', () => {
    const anyRow = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 8, maxLength: 8 });
    const params = { ...neutral, repetitionPenalty: 1.3, presencePenalty: 0.4, frequencyPenalty: 0.2 };
    fc.assert(
      fc.property(
        fc.record({ seed: fc.maxSafeInteger(), temperature: fc.constantFrom(0, 1), minTokens: fc.nat(12) }),
        fc.array(anyRow, { minLength: 1, maxLength: 12 }),
        fc.nat(12),
        (some, rows, cut) => {
          const all = { ...params, ...some, stopIds: [2, 5] };
          const whole = createSampler(all, [1, 3]);
          const tokens = rows.map((row) => whole.sample(logitsOf(row)));
          const later = createSampler(all, [1, 3], tokens.slice(0, cut));
          expect(rows.slice(cut).map((row) => later.sample(logitsOf(row)))).toEqual(tokens.slice(cut));
        },
      ),
    );
  });

  test('penalises as vLLM does, over prompt and its own output', () => {
    const anyPenalties = fc.record({
      repetitionPenalty: fc.double({ min: 0.5, max: 2, noNaN: true }),
      presencePenalty: fc.double({ min: -2, max: 2, noNaN: true }),
      frequencyPenalty: fc.double({ min: -2, max: 2, noNaN: true }),
    });
    const anyRow = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(
        anyPenalties,
        fc.array(fc.nat(7), { maxLength: 6 }),
        fc.array(anyRow, { minLength: 1, maxLength: 12 }),
        (penalties, prompt, rows) => {
          const sampler = createSampler({ ...neutral, ...penalties, temperature: 0 }, prompt);
          const output: number[] = [];
          for (const row of rows.map(logitsOf)) {
            const expected = plainPenalties(row, penalties, prompt, output);
            const token = sampler.sample(row);
            // Not toEqual, which tells -0 from 0.
            expect(row.every((logit, id) => logit === expected[id])).toBe(true);
            expect(token).toBe(argmax(expected));
            output.push(token);
          }
        },
      ),
    );
  });

  test('adds the bias before it chooses', () => {
    const logitBias = [
      [2, 100],
      [0, -100],
    ] as const;
    expect(createSampler({ ...neutral, temperature: 0, logitBias }, []).sample(logitsOf([50, 0, -10]))).toBe(
      2,
    );
  });

  test('never samples a stop id before min_tokens, whatever its bias', () => {
    const sampler = createSampler({ ...neutral, minTokens: 3, stopIds: [1], logitBias: [[1, 100]] }, []);
    const tokens = Array.from({ length: 4 }, () => sampler.sample(logitsOf([0, 5, 0, 0])));
    expect(tokens.slice(0, 3)).not.toContain(1);
    expect(tokens[3]).toBe(1);
  });

  test('says so when nothing is left to choose', async () => {
    const sampler = createSampler({ ...neutral, minTokens: 1, stopIds: [0, 1] }, []);
    expect((await thrownBy(() => sampler.sample(logitsOf([1, 2])))).code).toBe('invalid_value');
  });

  test.each([NaN, Infinity, -Infinity])('refuses a logit that is %p', async (bad) => {
    for (const temperature of [0, 1]) {
      const sampler = createSampler({ ...neutral, temperature }, []);
      const error = await thrownBy(() => sampler.sample(logitsOf([0, 1, bad])));
      expect(error.code).toBe('logits_invalid');
      expect(error.message).toContain('token 2');
    }
  });
});
