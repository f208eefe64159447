import type { Engine } from '../../../services/lib/engine/types.js';
import type { ModelConfig } from '../../../services/lib/model/types.js';
import { largestDifference, relativeDifference, stepThrough } from '../../support/model/engine-steps.js';
import { smallModels } from '../../support/model/engines.js';
import { randomTokens } from '../../support/model/random-checkpoint.js';

const openModel = smallModels();

/** Where the chunks of a prompt and of its continuation start: long ones and single tokens, with and without a past. */
const CUTS = [0, 40, 70, 71, 72, 75];

async function greatest(
  difference: (found: Float32Array, expected: Float32Array) => number,
  stages: readonly Engine[],
  reference: Engine,
): Promise<number> {
  for (const engine of [...stages, reference]) engine.open('a', CUTS.at(-1)!);
  const tokens = randomTokens(CUTS.at(-1)!);
  let result = 0;
  for (const [index, position] of CUTS.slice(0, -1).entries()) {
    const part = { sequence: 'a', position, tokens: tokens.slice(position, CUTS[index + 1]) };
    const [found] = await stepThrough(stages, [part]);
    const [expected] = await stepThrough([reference], [part]);
    result = Math.max(result, difference(found!, expected!));
  }
  return result;
}

describe('the f32 graph agrees with the reference engine', () => {
  test.each<[string, Partial<ModelConfig>]>([
    ['grouped-query attention and a tied head', {}],
    ['multi-head attention', { kvHeads: 6 }],
    ['one KV head', { kvHeads: 1 }],
    ['an untied head', { tiedHead: false }],
    ['heads wider together than the hidden state', { headDim: 16 }],
    [
      'llama3 scaling',
      {
        ropeScaling: {
          type: 'llama3',
          factor: 8,
          lowFrequencyFactor: 1,
          highFrequencyFactor: 4,
          originalMaxPositions: 64,
        },
      },
    ],
    ['frequency factors', { ropeScaling: { type: 'factors', factors: [1, 1.5, 4, 8] } }],
    ['linear scaling', { ropeScaling: { type: 'linear', factor: 4 } }],
  ])('with %s', async (_name, config) => {
    const { stages, reference } = await openModel({ config });
    expect(await greatest(largestDifference, stages, reference)).toBeLessThan(1e-4);
  });

  test.each([[[2]], [[1, 3]], [[1, 2, 3, 4]]])('split at %j', async (split) => {
    const { stages, reference } = await openModel({ split });
    expect(await greatest(largestDifference, stages, reference)).toBeLessThan(1e-4);
  });
});

describe('activations of 16 bits', () => {
  test('leave a stage as such, and cost no more than their rounding', async () => {
    const { stages, reference } = await openModel({ split: [1, 3], activations: 'f16' });
    expect(await greatest(relativeDifference, stages, reference)).toBeLessThan(2 ** -10);
    for (const stage of stages) stage.open('b', 4);
    const items = [{ sequence: 'b', position: 0, count: 2, logits: 0 }];
    const first = await stages[0]!.step({ items, tokens: Int32Array.of(1, 2) });
    expect(first.hidden).toBeInstanceOf(Uint16Array);
    const { hidden } = await stages[1]!.step({ items, hidden: first.hidden! });
    expect(hidden).toHaveLength(first.hidden!.length);
  });
});

describe('a cache of 8 bits agrees with the reference engine to its precision', () => {
  test.each<[string, Partial<ModelConfig>]>([
    ['grouped-query attention', {}],
    ['multi-head attention', { kvHeads: 6 }],
    ['one KV head', { kvHeads: 1 }],
  ])('with %s', async (_name, config) => {
    const { stages, reference } = await openModel({ config, kvPrecision: 'int8', split: [2] });
    expect(await greatest(relativeDifference, stages, reference)).toBeLessThan(0.04);
  });
});

/**
 * By either rule for weights (`quantize/weight-rule.ts`) these models are off by 0.06 to 0.085. The
 * rounding of activations is the same by both; weights cut to 7 bits come to 0.136.
 */
const INT8_BOUND = 0.12;

describe('the int8 graph agrees to its precision', () => {
  test.each<[string, Partial<ModelConfig>]>([
    ['sizes that powers of two divide', {}],
    ['sizes that they hardly do', { hidden: 42, intermediate: 90 }],
    ['an odd hidden size', { hidden: 45 }],
  ])('with %s', async (_name, config) => {
    const model = { config, precision: 'int8', kvPrecision: 'f32', split: [2] } as const;
    const { stages, reference } = await openModel(model);
    expect(await greatest(relativeDifference, stages, reference)).toBeLessThan(INT8_BOUND);
  });
});
