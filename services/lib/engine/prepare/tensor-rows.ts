import type { Rotation } from '../../model/quantize/rotation.js';
import type { Checkpoint, ModelConfig, TensorName } from '../../model/types.js';

/** Some rows (output channels) of a matrix, all multiplied by `gain`. */
export interface TensorRows {
  readonly tensor: TensorName;
  readonly start: number;
  readonly end: number;
  readonly gain: number;
}

/** All rows of a matrix, as they are. */
export const allRows = (tensor: TensorName, rows: number): TensorRows => ({
  tensor,
  start: 0,
  end: rows,
  gain: 1,
});

/**
 * The order of the output channels of `qkv`: each KV head's query heads and then its key head, so that one
 * node rotates them and one puts them where attention wants them; then all values. Queries take over
 * attention's scale, 1 / sqrt(headDim), which the graph then needs not apply.
 */
export function qkvOrder(layer: number, { heads, kvHeads, headDim }: ModelConfig): TensorRows[] {
  const group = heads / kvHeads;
  const order: TensorRows[] = [];
  for (let head = 0; head < kvHeads; head++) {
    const [q, k] = [`layers.${layer}.q`, `layers.${layer}.k`] as const;
    const [start, end] = [head * group * headDim, (head + 1) * group * headDim];
    order.push({ tensor: q, start, end, gain: 1 / Math.sqrt(headDim) });
    order.push({ tensor: k, start: head * headDim, end: (head + 1) * headDim, gain: 1 });
  }
  return [...order, allRows(`layers.${layer}.v`, kvHeads * headDim)];
}

/** About so many values are in memory of a matrix that is read by rows. */
const BLOCK_VALUES = 1 << 22;

interface RowBlock {
  /** Where the block starts, in rows from the first that was asked for. */
  readonly start: number;
  /** `[rows, in]` */
  readonly values: Float32Array;
}

/** Reads rows of a matrix `[out, in]` some at a time, or a vector as one block. */
export async function* rowBlocks(
  checkpoint: Checkpoint,
  { tensor, start: first, end: last, gain }: TensorRows,
): AsyncGenerator<RowBlock> {
  const columns = checkpoint.shape(tensor)[1];
  if (columns === undefined) {
    yield { start: 0, values: await checkpoint.read(tensor) };
    return;
  }
  const step = Math.max(1, Math.floor(BLOCK_VALUES / columns));
  for (let start = first; start < last; start += step) {
    const values = await checkpoint.read(tensor, { start, end: Math.min(last, start + step) });
    if (gain !== 1) for (let i = 0; i < values.length; i++) values[i]! *= gain;
    yield { start: start - first, values };
  }
}

/** A change to a matrix `[out, in]` that its neighbours undo, so that the model's results stay the same. */
export interface Transform {
  /** Multiplies each input's column: the weight of the norm before. */
  readonly inputScales?: Float32Array;
  /** Afterwards the input is expected rotated, in blocks of the rotation's size. */
  readonly inputRotation?: Rotation;
  /** The output comes rotated. Needs all rows at once. */
  readonly outputRotation?: Rotation;
}

/** Reads rows of a matrix and transforms them, in blocks where the transform allows. */
export async function* transformedBlocks(
  checkpoint: Checkpoint,
  rows: TensorRows,
  transform: Transform,
): AsyncGenerator<RowBlock> {
  const columns = checkpoint.shape(rows.tensor)[1]!;
  const blocks = rowBlocks(checkpoint, rows);
  for await (const block of transform.outputRotation === undefined ? blocks : joined(blocks)) {
    apply(block.values, columns, transform);
    yield block;
  }
}

async function* joined(blocks: AsyncIterable<RowBlock>): AsyncGenerator<RowBlock> {
  const parts: Float32Array[] = [];
  for await (const { values } of blocks) parts.push(values);
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    values.set(part, offset);
    offset += part.length;
  }
  yield { start: 0, values };
}

function apply(values: Float32Array, columns: number, transform: Transform): void {
  const { inputScales, inputRotation, outputRotation } = transform;
  if (inputScales !== undefined) {
    for (let i = 0; i < values.length; i++) values[i]! *= inputScales[i % columns]!;
  }
  inputRotation?.apply(values);
  outputRotation?.applyToOutputs(values, columns);
}
