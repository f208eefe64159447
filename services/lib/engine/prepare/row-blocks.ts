import type { Checkpoint, TensorName } from '../../model/types.js';

/** About so many values are in memory of a matrix that is read by rows. */
const BLOCK_VALUES = 1 << 22;

export interface RowBlock {
  /** Row of the matrix at which the block starts. */
  readonly start: number;
  /** `[rows, in]` */
  readonly values: Float32Array;
}

/** Reads a matrix `[out, in]` (or a vector, as one block) some rows at a time. */
export async function* rowBlocks(checkpoint: Checkpoint, name: TensorName): AsyncGenerator<RowBlock> {
  const [out, columns] = checkpoint.shape(name);
  if (columns === undefined) {
    yield { start: 0, values: await checkpoint.read(name) };
    return;
  }
  const step = Math.max(1, Math.floor(BLOCK_VALUES / columns));
  for (let start = 0; start < out!; start += step) {
    const end = Math.min(out!, start + step);
    yield { start, values: await checkpoint.read(name, { start, end }) };
  }
}
