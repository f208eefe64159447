import type { TensorSource } from '../../model/shards/write-shard.js';
import type { Checkpoint, LayerTensor, TensorName } from '../../model/types.js';
import type { Recipe } from './recipe.js';
import { rowBlocks } from './row-blocks.js';

/** Tensors at f32: the checkpoint's own, copied row by row. */
export class F32Recipe implements Recipe {
  readonly #checkpoint: Checkpoint;

  constructor(checkpoint: Checkpoint) {
    this.#checkpoint = checkpoint;
  }

  *embed(): Generator<TensorSource> {
    yield this.#rows('embed', ['embed']);
  }

  *layer(layer: number): Generator<TensorSource> {
    const rows = (name: string, ...parts: LayerTensor[]): TensorSource =>
      this.#rows(
        name,
        parts.map((part) => `layers.${layer}.${part}` as const),
      );
    yield rows('attn_norm', 'attn_norm');
    yield rows('qkv', 'q', 'k', 'v');
    yield rows('o', 'o');
    yield rows('ffn_norm', 'ffn_norm');
    yield rows('gate_up', 'gate', 'up');
    yield rows('down', 'down');
  }

  *head(): Generator<TensorSource> {
    yield this.#rows('final_norm', ['final_norm']);
    yield this.#rows('head', ['head']);
  }

  /** Matrices that share their input, one below the other: `[out, in]`. */
  #rows(name: string, parts: readonly TensorName[]): TensorSource {
    const shapes = parts.map((part) => this.#checkpoint.shape(part));
    const rows = shapes.reduce((sum, [out]) => sum + out!, 0);
    return { name, dtype: 'f32', shape: [rows, ...shapes[0]!.slice(1)], chunks: this.#blocks(parts) };
  }

  async *#blocks(parts: readonly TensorName[]): AsyncGenerator<Float32Array> {
    for (const part of parts) {
      for await (const { values } of rowBlocks(this.#checkpoint, part)) yield values;
    }
  }
}
