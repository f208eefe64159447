import type { TensorSource } from '../../model/shards/write-shard.js';

/** The tensors of each shard file at some precision, made one by one as they are written. */
export interface Recipe {
  embed(): Tensors;
  layer(layer: number): Tensors;
  head(): Tensors;
}

export type Tensors = Iterable<TensorSource> | AsyncIterable<TensorSource>;
