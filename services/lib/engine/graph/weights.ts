import { ServingError } from '../../errors/serving-error.js';
import type { FileRecord, TensorRecord } from '../../model/shards/format.js';
import type { GraphBuilder, Value } from '../onnx/graph-builder.js';

/** The tensors of one shard file, as values of a graph. */
export class Weights {
  readonly #graph: GraphBuilder;
  readonly #file: FileRecord;

  constructor(graph: GraphBuilder, file: FileRecord) {
    this.#graph = graph;
    this.#file = file;
  }

  has(name: string): boolean {
    return name in this.#file.tensors;
  }

  shape(name: string): readonly number[] {
    return this.#tensor(name).shape;
  }

  value(name: string): Value {
    return this.#graph.weight(name, { ...this.#tensor(name), file: this.#file.name });
  }

  #tensor(name: string): TensorRecord {
    const tensor = this.#file.tensors[name];
    if (tensor === undefined) {
      throw new ServingError('shards_invalid', `${this.#file.name} has no tensor ${name}`);
    }
    return tensor;
  }
}
