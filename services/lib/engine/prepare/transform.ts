import type { Rotation } from '../../model/quantize/rotation.js';
import type { Checkpoint } from '../../model/types.js';
import type { TensorRows } from './qkv-order.js';
import { type RowBlock, rowBlocks } from './row-blocks.js';

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
