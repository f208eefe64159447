import fc from 'fast-check';
import type { DraftedItem } from '../../../../services/lib/model/step.js';
import { logitRowsOf } from '../../../../services/lib/model/step.js';
import { RatedLogits } from '../../../../services/lib/sampling/logits.js';
import type { StepTokens } from '../../../../services/lib/sampling/step-tokens.js';
import { Head } from '../../../../services/stage/engine/head.js';
import { dividePart, type Part } from '../../../../services/stage/step/part.js';
import { greedy, neutral } from '../../../support/sampling.js';

const VOCABULARY = 7;
const PROMPT = [3, 1, 4, 1, 5, 2, 6, 5];

/** Of the row of a position, any numbers. */
const logitsAt = (position: number): Float32Array =>
  Float32Array.from({ length: VOCABULARY }, (_, id) => 3 * Math.sin(position * 7 + id * 3));

function read(head: Head, items: readonly DraftedItem[]): ReturnType<Head['read']> {
  const rows = items.flatMap((item) => {
    const end = item.position + item.count;
    return Array.from({ length: logitRowsOf(item) }, (_, row) => end - logitRowsOf(item) + row);
  });
  return head.read(items, { logits: Float32Array.from(rows.flatMap((row) => [...logitsAt(row)])) });
}
const item = (fields: Partial<DraftedItem>): DraftedItem => ({
  sequence: 's',
  position: 0,
  count: PROMPT.length,
  logits: 1,
  draft: [],
  ...fields,
});
const headOf = (changes: Partial<Parameters<Head['open']>[1]>): Head => {
  const head = new Head();
  head.open('s', { params: greedy, prompt: PROMPT, sampled: [], score: null, ...changes });
  return head;
};
const ratedAt = (position: number, token: number, likeliest: number) =>
  new RatedLogits(logitsAt(position), likeliest).of(token);

describe('the head', () => {
  it('rates a sampled token by the logits as they were, whatever was done with them', () => {
    for (const params of [
      { ...neutral, logprobs: 2, logitBias: [[6, 100]] as const },
      { ...greedy, logprobs: 2, repetitionPenalty: 9, frequencyPenalty: 2 },
      { ...greedy, logprobs: 2, minTokens: 3, stopIds: [0, 1, 2, 3] },
    ]) {
      const head = headOf({ params });
      expect(head.needsOnlyBest([item({})])).toBe(false);
      const [step] = read(head, [item({})]) as [StepTokens];
      expect(step.logprobs).toEqual([ratedAt(PROMPT.length - 1, step.tokens[0]!, 2)]);
    }
  });

  it('rates the tokens of a draft that it takes, each by its own row', () => {
    const best = (position: number): number => ratedAt(position, 0, 1).ids[0]!;
    const draft = [best(10), best(11), (best(12) + 1) % VOCABULARY];
    const drafted = item({ position: 10, count: 4, logits: 4, draft });
    const [step] = read(headOf({ params: { ...greedy, logprobs: 0 } }), [drafted]) as [StepTokens];
    expect(step.tokens).toEqual([best(10), best(11), best(12)]);
    expect(step.logprobs).toEqual(step.tokens.map((token, row) => ratedAt(10 + row, token, 0)));
  });

  it('scores each token of a prompt by the row before it, wherever the prompt is cut', () => {
    const expected = PROMPT.slice(1).map((token, row) => ratedAt(row, token, 3));
    const whole = {
      item: { ...item({ score: PROMPT.length }), epoch: 1 },
      tokens: PROMPT,
    } as unknown as Part;
    const cuts = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 4 });
    fc.assert(
      fc.property(cuts, (sizes) => {
        const head = headOf({ score: 3 });
        const parts: Part[] = [];
        let rest = whole;
        for (const rows of sizes) {
          if (rows >= rest.item.count) break;
          const [piece, left] = dividePart(rest, rows);
          parts.push(piece);
          rest = left;
        }
        const steps = [...parts, rest].map((part) => read(head, [part.item])[0] as StepTokens);
        expect(steps.flatMap(({ scored }) => scored?.logprobs ?? [])).toEqual(expected);
        for (const { scored } of steps)
          expect(scored?.logprobs).toEqual(
            scored && expected.slice(scored.from - 1, scored.from - 1 + scored.logprobs.length),
          );
        expect(steps.flatMap(({ tokens }) => tokens)).toHaveLength(1);
      }),
    );
  });

  it('scores only what is still to be scored, before it samples', () => {
    const [step] = read(headOf({ score: 0 }), [item({ score: 3 })]) as [StepTokens];
    expect(step.scored).toEqual({ from: 6, logprobs: [ratedAt(5, 6, 0), ratedAt(6, 5, 0)] });
    expect(step.tokens).toEqual(ratedAt(7, 0, 1).ids);
  });

  it('fails the sequence whose rows are to be scored against nothing, or against no token, and only that', () => {
    const head = headOf({});
    head.open('t', { params: greedy, prompt: [1, VOCABULARY], sampled: [], score: 1 });
    head.open('u', { params: greedy, prompt: [], sampled: [], score: null });
    const wrong = { sequence: 't', count: 2, logits: 0, score: 2 };
    const results = read(head, [item({ score: 2 }), item(wrong), item({ sequence: 'u' })]);
    expect(results).toMatchObject([
      { code: 'invalid_frame' },
      { code: 'invalid_frame' },
      { tokens: [expect.any(Number)] },
    ]);
  });

  it('asks for the best token alone where that will do for all', () => {
    const head = headOf({ score: 1 });
    expect(head.needsOnlyBest([item({})])).toBe(true);
    expect(head.needsOnlyBest([item({ score: 1 })])).toBe(false);
    expect(head.needsOnlyBest([item({}), item({ sequence: 'unknown' })])).toBe(false);
  });
});
