import { toHalves } from '../../model/quantize/float16.js';
import { Int8Matrix } from '../../model/quantize/int8-matrix.js';
import { Rotation } from '../../model/quantize/rotation.js';
import type { TensorSource } from '../../model/shards/write-shard.js';
import type { Checkpoint, ModelConfig, TensorName } from '../../model/types.js';
import type { Recipe } from './recipe.js';
import { columnMaxima, smoothingFactors } from './smoothing.js';
import { type Transform, transformedBlocks } from './transform.js';

/**
 * Tensors at int8. Per-token activations survive eight bits only without outlier channels, so the model is
 * first rewritten into an equal one that has none:
 *
 * - norm weights move into the matrices that read the norm's output, after which the residual stream may be
 *   rotated: by the embedding, `o` and `down`, and back by what reads it;
 * - each head's values are rotated by `v` and back by `o`;
 * - between them `silu(gate) · up` can not be rotated, so its channels are evened out against `down`'s
 *   weights, by what a calibration text measured (`calibrate.ts`).
 *
 * All of this is free when the model runs. `docs/adr/003` has the measurements.
 */
export class Int8Recipe implements Recipe {
  readonly #checkpoint: Checkpoint;
  readonly #activationMaxima: readonly Float32Array[];
  readonly #bits: 7 | 8;
  readonly #residual: Rotation;
  readonly #head: Rotation;

  /** `activationMaxima` holds for each layer the largest magnitude of every input of `down`. */
  constructor(checkpoint: Checkpoint, activationMaxima: readonly Float32Array[], bits: 7 | 8) {
    this.#checkpoint = checkpoint;
    this.#activationMaxima = activationMaxima;
    this.#bits = bits;
    this.#residual = new Rotation(checkpoint.config.hidden);
    this.#head = new Rotation(checkpoint.config.headDim);
  }

  *embed(): Generator<TensorSource> {
    const { vocabulary, hidden } = this.#config;
    yield { name: 'embed', dtype: 'f16', shape: [vocabulary, hidden], chunks: this.#halves('embed') };
  }

  async *layer(layer: number): AsyncGenerator<TensorSource> {
    const name = `layers.${layer}` as const;
    const attention = await this.#readsNorm(`${name}.attn_norm`);
    const feedForward = await this.#readsNorm(`${name}.ffn_norm`);
    const smoothing = await this.#smoothing(layer);

    yield this.#plainNorm('attn_norm');
    yield* this.#matrix('qkv', [
      [`${name}.q`, attention],
      [`${name}.k`, attention],
      [`${name}.v`, { ...attention, outputRotation: this.#head }],
    ]);
    yield* this.#matrix('o', [
      [`${name}.o`, { inputRotation: this.#head, outputRotation: this.#residual }],
    ]);
    yield this.#plainNorm('ffn_norm');
    yield* this.#matrix('gate_up', [
      [`${name}.gate`, feedForward],
      [`${name}.up`, { ...feedForward, outputScales: smoothing.map((factor) => 1 / factor) }],
    ]);
    yield* this.#matrix('down', [
      [`${name}.down`, { inputScales: smoothing, outputRotation: this.#residual }],
    ]);
  }

  async *head(): AsyncGenerator<TensorSource> {
    yield this.#plainNorm('final_norm');
    yield* this.#matrix('head', [['head', await this.#readsNorm('final_norm')]]);
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

  async #smoothing(layer: number): Promise<Float32Array> {
    const maxima = new Float32Array(this.#config.intermediate);
    const rotated = { outputRotation: this.#residual };
    for await (const { values } of transformedBlocks(this.#checkpoint, `layers.${layer}.down`, rotated)) {
      columnMaxima(values, maxima);
    }
    return smoothingFactors(this.#activationMaxima[layer]!, maxima);
  }

  /** Matrices that share their input, side by side as output channels of one. */
  async *#matrix(
    name: string,
    parts: readonly (readonly [TensorName, Transform])[],
  ): AsyncGenerator<TensorSource> {
    const shapes = parts.map(([part]) => this.#checkpoint.shape(part));
    const inputs = shapes[0]![1]!;
    const outputs = shapes.reduce((sum, [out]) => sum + out!, 0);
    const matrix = new Int8Matrix(inputs, outputs, this.#bits);
    let first = 0;
    for (const [index, [part, transform]] of parts.entries()) {
      for await (const { start, values } of transformedBlocks(this.#checkpoint, part, transform)) {
        matrix.setChannels(first + start, values);
      }
      first += shapes[index]![0]!;
    }
    yield { name, dtype: 'i8', shape: [inputs, outputs], chunks: [matrix.values] };
    yield { name: `${name}.scale`, dtype: 'f32', shape: [outputs], chunks: [matrix.scales] };
  }

  async *#halves(name: TensorName): AsyncGenerator<Uint16Array> {
    const rotated = { inputRotation: this.#residual };
    for await (const { values } of transformedBlocks(this.#checkpoint, name, rotated)) yield toHalves(values);
  }
}
