import { ServingError } from '../errors/serving-error.js';
import type { OpenedModel } from './opened-model.js';
import { coveringHeads, toHalfSplit } from './rotary-rows.js';
import type { SamplingDefaults } from './sampling-defaults.js';
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

  get warnings(): readonly ServingError[] {
    return this.#model.warnings;
  }

  get text(): TextFiles {
    return this.#model.text;
  }

  get sampling(): SamplingDefaults {
    return this.#model.sampling;
  }

  shape(name: TensorName): readonly number[] {
    return this.#tensor(name).shape;
  }

  async read(name: TensorName, rows?: RowRange): Promise<Float32Array> {
    const weights = await this.#read(name, rows);
    if (!areNumbers(weights)) {
      throw new ServingError(
        'checkpoint_invalid',
        `tensor "${this.#tensor(name).name}" holds a weight that is no finite number`,
      );
    }
    return weights;
  }

  close(): Promise<void> {
    return this.#model.close();
  }

  async #read(name: TensorName, rows?: RowRange): Promise<Float32Array> {
    const tensor = this.#tensor(name);
    const kind = tensorKind(name);
    if (!this.#model.interleavedRotary || (kind !== 'q' && kind !== 'k')) return readTensor(tensor, rows);
    const range = checkedRows(tensor, rows);
    const { headDim } = this.config;
    return toHalfSplit(await readTensor(tensor, coveringHeads(range, headDim)), range, headDim);
  }

  #tensor(name: TensorName): StoredTensor {
    const tensor = this.#model.tensors.get(name);
    if (tensor === undefined) throw new ServingError('internal', `the model has no tensor "${name}"`);
    return tensor;
  }
}

/** A NaN or an infinity, whose product with 0 is none, would be all that the model answers. */
function areNumbers(weights: Float32Array): boolean {
  let zero = 0;
  for (const weight of weights) zero += weight * 0;
  return zero === 0;
}
