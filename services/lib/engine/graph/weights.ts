import type { FileRecord } from '../../model/shards/format.js';
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

  value(name: string): Value {
    const tensor = this.#file.tensors[name];
    if (tensor === undefined) throw new Error(`${this.#file.name} has no tensor ${name}`);
    return this.#graph.weight(name, { ...tensor, file: this.#file.name });
  }
}
