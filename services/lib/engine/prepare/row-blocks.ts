import type { Checkpoint } from '../../model/types.js';
import type { TensorRows } from './qkv-order.js';

/** About so many values are in memory of a matrix that is read by rows. */
const BLOCK_VALUES = 1 << 22;

export interface RowBlock {
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
