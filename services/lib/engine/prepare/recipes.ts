import { toHalves } from '../../model/float16.js';
import { Int8Matrix } from '../../model/quantize/int8-matrix.js';
import { greatestPowerOfTwoIn, Rotation } from '../../model/quantize/rotation.js';
import type { WeightRule } from '../../model/quantize/weight-rule.js';
import type { TensorSource } from '../../model/shards/write-shard.js';
import type { Checkpoint, LayerTensor, ModelConfig, TensorName } from '../../model/types.js';
import {
  allRows,
  qkvOrder,
  rowBlocks,
  type TensorRows,
  type Transform,
  transformedBlocks,
} from './tensor-rows.js';

/** Tensors at f32: the checkpoint's own, copied row by row. */
export class F32Recipe {
  readonly #checkpoint: Checkpoint;

  constructor(checkpoint: Checkpoint) {
    this.#checkpoint = checkpoint;
  }

  *embed(): Generator<TensorSource> {
    yield this.#whole('embed', 'embed');
  }

  *layer(layer: number): Generator<TensorSource> {
    const whole = (name: LayerTensor): TensorSource => this.#whole(name, `layers.${layer}.${name}`);
    yield whole('attn_norm');
    yield this.#rows('qkv', qkvOrder(layer, this.#checkpoint.config));
    yield whole('o');
    yield whole('ffn_norm');
    yield whole('gate');
    yield whole('up');
    yield whole('down');
  }

  *head(): Generator<TensorSource> {
    yield this.#whole('final_norm', 'final_norm');
    yield this.#whole('head', 'head');
  }

  #whole(name: string, tensor: TensorName): TensorSource {
    return this.#rows(name, [allRows(tensor, this.#checkpoint.shape(tensor)[0]!)]);
  }

  /** `[out, in]`; matrices that share their input one below the other. */
  #rows(name: string, parts: readonly TensorRows[]): TensorSource {
    const rows = parts.reduce((sum, { start, end }) => sum + end - start, 0);
    const [, ...columns] = this.#checkpoint.shape(parts[0]!.tensor);
    return { name, dtype: 'f32', shape: [rows, ...columns], chunks: this.#blocks(parts) };
  }

  async *#blocks(parts: readonly TensorRows[]): AsyncGenerator<Float32Array> {
    for (const part of parts) {
      for await (const { values } of rowBlocks(this.#checkpoint, part)) yield values;
    }
  }
}

/** The down projection's input is rotated in runs of so many values: long enough to spread outliers. */
const LONGEST_RUN = 64;

/**
 * Tensors at int8. Per-token activations survive eight bits only without outlier channels, so the model is
 * first rewritten into an equal one that has none (QuaRot, arXiv:2404.00456):
 *
 * - norm weights move into the matrices that read the norm's output, after which the residual stream may be
 *   rotated: by the embedding, `o` and `down`, and back by what reads it;
 * - each head's values are rotated by `v` and back by `o`;
 * - `silu(gate) · up` is no linear function of anything, so the graph rotates it, in short runs, and `down`
 *   rotates back. Only this costs time when the model runs.
 *
 * Needs no calibration text. `docs/adr/003-int8-quantisation.md` has the measurements.
 */
export class Int8Recipe {
  readonly #checkpoint: Checkpoint;
  readonly #rule: WeightRule;
  readonly #residual: Rotation;
  readonly #head: Rotation;
  readonly #gated: Rotation;

  constructor(checkpoint: Checkpoint, rule: WeightRule) {
    const { hidden, headDim, intermediate } = checkpoint.config;
    this.#checkpoint = checkpoint;
    this.#rule = rule;
    this.#residual = new Rotation(hidden);
    this.#head = new Rotation(headDim);
    this.#gated = new Rotation(Math.min(LONGEST_RUN, greatestPowerOfTwoIn(intermediate)));
  }

  *embed(): Generator<TensorSource> {
    const { vocabulary, hidden } = this.#config;
    yield { name: 'embed', dtype: 'f16', shape: [vocabulary, hidden], chunks: this.#halves('embed') };
  }

  async *layer(layer: number): AsyncGenerator<TensorSource> {
    const name = `layers.${layer}` as const;
    const attention = await this.#readsNorm(`${name}.attn_norm`);
    const feedForward = await this.#readsNorm(`${name}.ffn_norm`);

    yield this.#plainNorm('attn_norm');
    yield* this.#matrix(
      'qkv',
      qkvOrder(layer, this.#config).map((rows) => [
        rows,
        rows.tensor === `${name}.v` ? { ...attention, outputRotation: this.#head } : attention,
      ]),
    );
    yield* this.#matrix('o', [
      [this.#all(`${name}.o`), { inputRotation: this.#head, outputRotation: this.#residual }],
    ]);
    yield this.#plainNorm('ffn_norm');
    yield* this.#matrix('gate', [[this.#all(`${name}.gate`), feedForward]]);
    yield* this.#matrix('up', [[this.#all(`${name}.up`), feedForward]]);
    yield* this.#matrix('down', [
      [this.#all(`${name}.down`), { inputRotation: this.#gated, outputRotation: this.#residual }],
    ]);
    const { size } = this.#gated;
    yield { name: 'down.rotation', dtype: 'f32', shape: [size, size], chunks: [this.#gated.matrix()] };
  }

  async *head(): AsyncGenerator<TensorSource> {
    yield this.#plainNorm('final_norm');
    yield* this.#matrix('head', [[this.#all('head'), await this.#readsNorm('final_norm')]]);
  }

  get #config(): ModelConfig {
    return this.#checkpoint.config;
  }

  /** A matrix whose input is a norm's output takes over the norm's weight, and undoes the rotation. */
  async #readsNorm(norm: TensorName): Promise<Transform> {
    return { inputScales: await this.#checkpoint.read(norm), inputRotation: this.#residual };
  }

  /** What is left of a norm whose weight has moved. */
  #plainNorm(name: string): TensorSource {
    const ones = new Float32Array(this.#config.hidden).fill(1);
    return { name, dtype: 'f32', shape: [ones.length], chunks: [ones] };
  }

  /** Matrices that share their input, side by side as output channels of one. */
  async *#matrix(
    name: string,
    parts: readonly (readonly [TensorRows, Transform])[],
  ): AsyncGenerator<TensorSource> {
    const inputs = this.#checkpoint.shape(parts[0]![0].tensor)[1]!;
    const outputs = parts.reduce((sum, [{ start, end }]) => sum + end - start, 0);
    const matrix = new Int8Matrix(inputs, outputs, this.#rule);
    let first = 0;
    for (const [rows, transform] of parts) {
      for await (const { start, values } of transformedBlocks(this.#checkpoint, rows, transform)) {
        matrix.setChannels(first + start, values);
      }
      first += rows.end - rows.start;
    }
    yield { name, dtype: 'i8', shape: [inputs, outputs], chunks: [matrix.values] };
    yield { name: `${name}.scale`, dtype: 'f32', shape: [outputs], chunks: [matrix.scales] };
  }

  async *#halves(name: TensorName): AsyncGenerator<Uint16Array> {
    const rotated = { inputRotation: this.#residual };
    for await (const { values } of transformedBlocks(this.#checkpoint, this.#all(name), rotated)) {
      yield toHalves(values);
    }
  }

  #all(tensor: TensorName): TensorRows {
    return allRows(tensor, this.#checkpoint.shape(tensor)[0]!);
  }
}
