import fc from 'fast-check';
import type { SamplingParams } from '../../../services/lib/sampling/params.js';
import { argmax } from '../../../services/lib/sampling/logits.js';
import { createSampler, type Sampler, verify } from '../../../services/lib/sampling/sampler.js';
import { greedy } from '../../support/sampling.js';
import { thrownBy } from '../../support/thrown-by.js';

const VOCABULARY = 5;
const LENGTH = 30;

const anyParams: fc.Arbitrary<SamplingParams> = fc.record({
  temperature: fc.constantFrom(0, 0.7, 1.5),
  topP: fc.constantFrom(1, 0.8),
  topK: fc.constantFrom(0, 3),
  minP: fc.constantFrom(0, 0.05),
  seed: fc.integer(),
  repetitionPenalty: fc.constantFrom(1, 1.3),
  presencePenalty: fc.constantFrom(0, 0.5),
  frequencyPenalty: fc.constantFrom(0, 0.2),
  logitBias: fc.constantFrom([], [[2, 1.5]] as const),
  minTokens: fc.constantFrom(0, 10),
  stopIds: fc.constantFrom([], [1]),
  constraint: fc.constant(null),
  logprobs: fc.constant(null),
});

/** A model whose logits depend on all tokens so far. */
function logitsAfter(tokens: readonly number[]): Float32Array {
  const state = tokens.reduce((hash, token) => (hash * 31 + token + 1) % 1_009, 7);
  return Float32Array.from({ length: VOCABULARY }, (_, id) => 2 * Math.sin(state * (id + 1)));
}

/** As the head does: of the highest logit alone where that is enough. */
function sampleRow(sampler: Sampler, logits: Float32Array): number {
  if (!sampler.needsOnlyBest) return sampler.sample(logits);
  const token = argmax(logits);
  return sampler.sampleBest(token, logits[token]!);
}

describe('verifying drafts', () => {
  it('samples what single steps sample, whatever is drafted', () => {
    const anyDraft = fc.array(fc.nat(VOCABULARY - 1), { maxLength: 6 });
    fc.assert(
      fc.property(anyParams, fc.array(anyDraft, { minLength: 1, maxLength: 30 }), (params, drafts) => {
        const plain = createSampler(params, [3]);
        const expected: number[] = [];
        while (expected.length < LENGTH) expected.push(plain.sample(logitsAfter(expected)));

        const sampler = createSampler(params, [3]);
        const found: number[] = [];
        for (let round = 0; found.length < LENGTH; round++) {
          // Every other draft is one that is right for a while.
          const guessed = drafts[round % drafts.length]!;
          const draft = round % 2 === 0 ? guessed : [...expected.slice(found.length).slice(0, 3), ...guessed];
          const rows = Array.from({ length: draft.length + 1 }, (_, count) =>
            logitsAfter([...found, ...draft.slice(0, count)]),
          );
          const tokens = verify(draft, (row) => sampleRow(sampler, rows[row]!));
          expect(tokens.length).toBeLessThanOrEqual(draft.length + 1);
          expect(tokens.slice(0, -1)).toEqual(draft.slice(0, tokens.length - 1));
          if (tokens.length <= draft.length) expect(tokens.at(-1)).not.toBe(draft[tokens.length - 1]);
          found.push(...tokens);
        }
        expect(found.slice(0, LENGTH)).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  it('looks at no row after a token that was not drafted', async () => {
    for (const sample of [sampleRow, (sampler: Sampler, row: Float32Array) => sampler.sample(row)]) {
      const verified = (draft: readonly number[]): number[] => {
        const sampler = createSampler(greedy, []);
        const rows = [Float32Array.of(0, 1), Float32Array.of(NaN, NaN)];
        return verify(draft, (row) => sample(sampler, rows[row]!));
      };
      expect(verified([0])).toEqual([1]);
      expect((await thrownBy(() => verified([1]))).code).toBe('logits_invalid');
    }
  });
});
