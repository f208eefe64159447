import { ServingError } from '../errors/serving-error.js';
import type { OpenedModel } from './opened-model.js';
import { coveringHeads, toHalfSplit } from './rotary-rows.js';
import { checkedRows, readTensor, type StoredTensor } from './stored-tensor.js';
import { tensorKind } from './tensor-names.js';
import type { Checkpoint, ModelConfig, RowRange, TensorName, TextFiles } from './types.js';

/** The Checkpoint over an opened model of any format. */
export class CheckpointReader implements Checkpoint {
  readonly digest: string;
  readonly #model: OpenedModel;

  constructor(model: OpenedModel, digest: string) {
    this.#model = model;
    this.digest = digest;
  }

  get config(): ModelConfig {
    return this.#model.config;
  }

  get text(): TextFiles {
    return this.#model.text;
  }

  shape(name: TensorName): readonly number[] {
    return this.#tensor(name).shape;
  }

  async read(name: TensorName, rows?: RowRange): Promise<Float32Array> {
    const tensor = this.#tensor(name);
    const kind = tensorKind(name);
    if (!this.#model.interleavedRotary || (kind !== 'q' && kind !== 'k')) return readTensor(tensor, rows);
    const range = checkedRows(tensor, rows);
    const { headDim } = this.config;
    return toHalfSplit(await readTensor(tensor, coveringHeads(range, headDim)), range, headDim);
  }

  close(): Promise<void> {
    return this.#model.close();
  }

  #tensor(name: TensorName): StoredTensor {
    const tensor = this.#model.tensors.get(name);
    if (tensor === undefined) throw new ServingError('internal', `the model has no tensor "${name}"`);
    return tensor;
  }
}
