import type { TensorSource } from '../../model/shards/write-shard.js';
import type { Checkpoint, LayerTensor, TensorName } from '../../model/types.js';
import { allRows, qkvOrder, rowBlocks, type TensorRows } from './tensor-rows.js';

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
