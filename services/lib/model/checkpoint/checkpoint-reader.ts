import { ServingError } from '../../errors/serving-error.js';
import { areNumbers } from '../activations.js';
import { tensorKind } from '../tensor-names.js';
import type { Tokenizer } from '../text/tokenizer.js';
import type { Checkpoint, CheckpointText, ModelConfig, RowRange, TensorName } from '../types.js';
import type { SamplingDefaults } from '../sampling-defaults.js';
import type { OpenedModel } from './opened-model.js';
import { checkedRows, readTensor, type StoredTensor } from './stored-tensor.js';

/** The Checkpoint over an opened model of any format. */
export class CheckpointReader implements Checkpoint {
  readonly config: ModelConfig;
  readonly warnings: readonly ServingError[];
  readonly digest: string;
  readonly text: CheckpointText;
  readonly sampling: SamplingDefaults;
  /** Of `text`. */
  readonly tokenizer: Tokenizer;
  readonly #model: OpenedModel;

  constructor(model: OpenedModel, digest: string, tokenizer: Tokenizer) {
    this.config = model.config;
    this.warnings = model.warnings;
    this.digest = digest;
    this.text = model.text;
    this.sampling = model.sampling;
    this.tokenizer = tokenizer;
    this.#model = model;
  }

  shape(name: TensorName): readonly number[] {
    return this.#tensor(name).shape;
  }

  async read(name: TensorName, rows?: RowRange): Promise<Float32Array> {
    const tensor = this.#tensor(name);
    const kind = tensorKind(name);
    const interleaved = this.#model.interleavedRotary && (kind === 'q' || kind === 'k');
    const weights = await (interleaved
      ? readHalfSplit(tensor, checkedRows(tensor, rows), this.config.headDim)
      : readTensor(tensor, rows));
    // With one that is none, all that the model answers would be none.
    if (areNumbers(weights)) return weights;
    const problem = `tensor "${tensor.name}" holds a weight that is no finite number`;
    throw new ServingError('checkpoint_invalid', problem);
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

/** Rows in half-split rotary order of a matrix that is stored in interleaved order: whole heads are read. */
async function readHalfSplit(tensor: StoredTensor, rows: RowRange, headDim: number): Promise<Float32Array> {
  const heads = {
    start: Math.floor(rows.start / headDim) * headDim,
    end: Math.ceil(rows.end / headDim) * headDim,
  };
  const interleaved = await readTensor(tensor, heads);
  const columns = tensor.shape[1]!;
  const halfSplit = new Float32Array((rows.end - rows.start) * columns);
  for (let row = rows.start; row < rows.end; row++) {
    const from = (interleavedRow(row, headDim) - heads.start) * columns;
    halfSplit.set(interleaved.subarray(from, from + columns), (row - rows.start) * columns);
  }
  return halfSplit;
}

/**
 * Interleaved rotary embedding turns rows (2j, 2j+1) of a head together, half-split turns (j, j + D/2). So
 * row `half · D/2 + j` of a head in half-split order is its row `2j + half` in interleaved order.
 */
function interleavedRow(row: number, headDim: number): number {
  const inHead = row % headDim;
  const half = inHead < headDim / 2 ? 0 : 1;
  return row - inHead + 2 * (inHead - half * (headDim / 2)) + half;
}
