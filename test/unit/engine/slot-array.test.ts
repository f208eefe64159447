import { copyRuns, type Runs } from '../../../services/lib/engine/kv/slot-array.js';

/** Start and stride of the source and of the target, and how many runs of which length. */
const cases = [
  ['words', [32, 96], [64, 128], 32, 200],
  ['bytes, since the source is not aligned', [33, 96], [64, 128], 32, 200],
  ['bytes, since runs are no whole words', [32, 96], [64, 128], 30, 200],
  ['few bytes', [32, 96], [64, 128], 32, 3],
  ['long runs', [1, 300], [2, 400], 299, 5],
] as const;

describe.each([
  ['bytes', (length: number) => new Int8Array(length).map((_, index) => index * 7)],
  ['floats', (length: number) => new Float32Array(length).map((_, index) => index / 3)],
])('of %s', (_type, make) => {
  test.each(cases)('%s', (_name, source, target, length, count) => {
    const runs = ([start, stride]: readonly [number, number], values: Int8Array | Float32Array): Runs => ({
      values,
      start,
      stride,
    });
    // A view that does not begin where its buffer does, as one of the model's outputs may be.
    const from = make(40_000).subarray(8);
    const to = make(40_000).fill(1);
    const expected = Array.from(to);
    for (let run = 0; run < count; run++) {
      for (let i = 0; i < length; i++) {
        expected[target[0] + run * target[1] + i] = from[source[0] + run * source[1] + i]!;
      }
    }
    copyRuns(runs(source, from), runs(target, to), length, count);
    expect(Array.from(to)).toEqual(expected);
  });
});
