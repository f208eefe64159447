import ort from 'onnxruntime-node';
import { linear, Weights } from '../../../services/lib/engine/graph/linear.js';
import { GraphBuilder } from '../../../services/lib/engine/onnx/graph-builder.js';
import { openSession } from '../../../services/lib/engine/onnx-engine.js';
import { Int8Matrix } from '../../../services/lib/model/quantize/int8-matrix.js';
import { weightRule } from '../../../services/lib/model/quantize/weight-rule.js';
import { writeShard } from '../../../services/lib/model/shards/write-shard.js';
import { generator } from '../../support/model/random-checkpoint.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const folder = temporaryFolder();

/** Numbers of inputs: of what kernels take at once, and of tails of it. */
const INPUTS = [3, 5, 8, 13, 33, 48];
/** Numbers of tokens: from one to a long prompt, for there are kernels for several. */
const TOKENS = [1, 2, 3, 4, 6, 8, 12, 16, 128];

/** Rounding to f32 is off by a few steps of a product, the least overflow by 127. */
const ROUNDING = 10;

type Matrix = Pick<Int8Matrix, 'values' | 'scales'>;

/** Runs tokens `[tokens, in]` through the engine's product with a matrix. */
async function product(activations: Float32Array, { values, scales }: Matrix): Promise<Float32Array> {
  const outputs = scales.length;
  const inputs = values.length / outputs;
  const file = await writeShard(folder.path, 'layer.bin', [
    { name: 'w', dtype: 'i8', shape: [inputs, outputs], chunks: [values] },
    { name: 'w.scale', dtype: 'f32', shape: [outputs], chunks: [scales] },
  ]);
  const graph = new GraphBuilder('product');
  const x = graph.input('x', 'f32', [1, 'tokens', inputs]);
  const y = linear(graph, x, new Weights(graph, file), 'w');
  graph.output('y', y, 'f32', [1, 'tokens', outputs]);
  const session = await openSession(graph.build(), folder.path, 1);
  try {
    const shape = [1, activations.length / inputs, inputs];
    const results = await session.run({ x: new ort.Tensor('float32', activations, shape) });
    return results['y']!.data as Float32Array;
  } finally {
    await session.release();
  }
}

/** How far results are from what they should be, in steps: of an activation times a weight's. */
async function greatestError(activations: Float32Array, matrix: Matrix): Promise<number> {
  const { values, scales } = matrix;
  const outputs = scales.length;
  const inputs = values.length / outputs;
  const results = await product(activations, matrix);
  let greatest = 0;
  for (const [index, result] of results.entries()) {
    const [token, channel] = [Math.floor(index / outputs), index % outputs];
    let sum = 0;
    for (let i = 0; i < inputs; i++) {
      sum += 127 * activations[token * inputs + i]! * values[i * outputs + channel]!;
    }
    greatest = Math.max(greatest, Math.abs((127 * result) / scales[channel]! - sum));
  }
  return greatest;
}

/** All activations at their greatest: a pair of weights that overflows does so here. */
const fullActivations = (tokens: number, inputs: number): Float32Array =>
  new Float32Array(tokens * inputs).fill(1);

/** Whole steps between the greatest ones, in any mixture. */
function mixedActivations(tokens: number, inputs: number): Float32Array {
  const random = generator(tokens);
  const steps = [127, 127, -127, 100, 0];
  return Float32Array.from({ length: tokens * inputs }, (_, index) =>
    index % inputs === 0 ? 1 : steps[Math.floor(random() * steps.length)]! / 127,
  );
}

/** All twos of inputs but 2k and 2k + 1. */
const apart = (inputs: number): [number, number][] =>
  Array.from({ length: inputs }, (_, a) => a).flatMap((a) =>
    Array.from({ length: inputs - a - 1 }, (_, rest): [number, number] => [a, a + 1 + rest]).filter(
      ([, b]) => a % 2 === 1 || b !== a + 1,
    ),
  );

/** An output channel for every two inputs, with the greatest weights there and zeros elsewhere. */
function greatestAt(twos: readonly (readonly [number, number])[], inputs: number): Matrix {
  const values = new Int8Array(inputs * twos.length);
  for (const [channel, two] of twos.entries()) {
    for (const input of two) values[input * twos.length + channel] = channel % 2 === 0 ? 127 : -127;
  }
  return { values, scales: new Float32Array(twos.length).fill(1) };
}

/** Channels whose every pair of neighbours is as great as this processor's rule lets it be. */
function fullPairs(inputs: number): Matrix {
  const shares = [1, 0.75, 0.5, 0.25, 0];
  const matrix = new Int8Matrix(inputs, 2 * shares.length, weightRule());
  for (const [channel, share] of shares.entries()) {
    const row = Float32Array.from({ length: inputs }, (_, i) => (i % 2 === 0 ? share : 1 - share));
    matrix.setChannels(2 * channel, row);
    matrix.setChannels(
      2 * channel + 1,
      row.map((weight) => -weight),
    );
  }
  return matrix;
}

describe.each(TOKENS)('products of %i tokens are exact', (tokens) => {
  test.each([...INPUTS, 577])(
    'with the greatest pairs that this processor’s rule allows, %i inputs',
    async (inputs) => {
      const matrix = fullPairs(inputs);
      for (const activations of [fullActivations(tokens, inputs), mixedActivations(tokens, inputs)]) {
        expect(await greatestError(activations, matrix)).toBeLessThan(ROUNDING);
      }
    },
  );

  test.each(INPUTS)('with the greatest weights at any two inputs but neighbours, of %i', async (inputs) => {
    const matrix = greatestAt(apart(inputs), inputs);
    expect(await greatestError(fullActivations(tokens, inputs), matrix)).toBeLessThan(ROUNDING);
  });
});
