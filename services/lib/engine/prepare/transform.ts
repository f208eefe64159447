import type { Rotation } from '../../model/quantize/rotation.js';
import type { Checkpoint, TensorName } from '../../model/types.js';
import { type RowBlock, rowBlocks } from './row-blocks.js';

/** A change to a matrix `[out, in]` that its neighbours undo, so that the model's results stay the same. */
export interface Transform {
  /** Multiplies each input's column: the weight of the norm before. */
  readonly inputScales?: Float32Array;
  /** Afterwards the input is expected rotated, in blocks of the rotation's size. */
  readonly inputRotation?: Rotation;
  /** The output comes rotated. Needs the matrix as a whole. */
  readonly outputRotation?: Rotation;
}

/** Reads a matrix and transforms it, in blocks of rows where the transform allows. */
export async function* transformedBlocks(
  checkpoint: Checkpoint,
  name: TensorName,
  transform: Transform,
): AsyncGenerator<RowBlock> {
  const blocks =
    transform.outputRotation === undefined ? rowBlocks(checkpoint, name) : whole(checkpoint, name);
  const columns = checkpoint.shape(name)[1]!;
  for await (const block of blocks) {
    apply(block.values, columns, transform);
    yield block;
  }
}

async function* whole(checkpoint: Checkpoint, name: TensorName): AsyncGenerator<RowBlock> {
  yield { start: 0, values: await checkpoint.read(name) };
}

function apply(values: Float32Array, columns: number, transform: Transform): void {
  const { inputScales, inputRotation, outputRotation } = transform;
  if (inputScales !== undefined) {
    for (let i = 0; i < values.length; i++) values[i]! *= inputScales[i % columns]!;
  }
  inputRotation?.apply(values);
  outputRotation?.applyToOutputs(values, columns);
}
