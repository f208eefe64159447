import fc from 'fast-check';
import { Int8Matrix } from '../../../../services/lib/model/quantize/int8-matrix.js';
import type { WeightRule } from '../../../../services/lib/model/quantize/weight-rule.js';

/** Below it a scale is a subnormal float, with few digits left: no model has such weights. */
const LEAST = 1e-30;

const rules: WeightRule[] = ['free', 'bounded-pairs'];

const weight = fc
  .float({ min: -4, max: 4, noNaN: true, noDefaultInfinity: true })
  .map((value) => (Math.abs(value) < LEAST ? 0 : value));

/** Output channels of so many inputs; small integers among them, for whatever happens in ties. */
const channelsOf = (inputs: number) =>
  fc.array(
    fc.array(fc.oneof(weight, fc.integer({ min: -129, max: 129 })), { minLength: inputs, maxLength: inputs }),
    { minLength: 2, maxLength: 9 },
  );

interface Channel {
  readonly weights: readonly number[];
  readonly scale: number;
  readonly values: readonly number[];
}

/** Channels, set in two parts. */
function quantised(rows: readonly number[][], rule: WeightRule): Channel[] {
  const matrix = new Int8Matrix(rows[0]!.length, rows.length, rule);
  matrix.setChannels(0, Float32Array.from(rows.slice(0, 1).flat()));
  matrix.setChannels(1, Float32Array.from(rows.slice(1).flat()));
  return rows.map((weights, channel) => ({
    weights,
    scale: matrix.scales[channel]!,
    values: weights.map((_, input) => matrix.values[input * rows.length + channel]!),
  }));
}

const greatest = (values: readonly number[]): number => Math.max(...values.map(Math.abs));

/** Of inputs 2k and 2k + 1; the last of an odd number is alone. */
const pairSums = (values: readonly number[]): number[] =>
  values.flatMap((value, input) => (input % 2 === 1 ? [values[input - 1]! + value] : []));

describe.each(rules)('%s', (rule) => {
  test.each([6, 7])('weights are off by half a step at most, of %i inputs', (inputs) => {
    fc.assert(
      fc.property(channelsOf(inputs), (rows) => {
        for (const { weights, scale, values } of quantised(rows, rule)) {
          for (const [input, weight] of weights.entries()) {
            expect(Math.abs(values[input]! * scale - weight)).toBeLessThanOrEqual(scale * 0.501);
          }
        }
      }),
    );
  });
});

test('free weights use all levels', () => {
  fc.assert(
    fc.property(channelsOf(6), (rows) => {
      for (const { weights, values } of quantised(rows, 'free')) {
        expect(greatest(values)).toBe(greatest(weights) === 0 ? 0 : 127);
      }
    }),
  );
});

test('bounded pairs never pass 128, at a finer scale than if every weight stayed below 64', () => {
  fc.assert(
    fc.property(channelsOf(7), (rows) => {
      for (const { weights, scale, values } of quantised(rows, 'bounded-pairs')) {
        expect(greatest(pairSums(values))).toBeLessThanOrEqual(128);
        expect(scale).toBeLessThanOrEqual(greatest(weights) / 63);
      }
    }),
  );
});

test.each([
  ['opposite neighbours', [127, -127, 127, -127], [127, -127, 127, -127]],
  ['neighbours across two pairs', [1, 127, 127, 1, -127], [1, 127, 127, 1, -127]],
  ['equal neighbours', [5, 5, -5, -5], [64, 64, -64, -64]],
  ['two halves that both would round up', [129, 127], [64, 63]],
])('bounded pairs: %s', (_name, weights, values) => {
  expect(quantised([weights, weights], 'bounded-pairs')[1]!.values).toEqual(values);
});
