import type { RowRange } from './types.js';

/**
 * Interleaved rotary embedding turns rows (2j, 2j+1) of a head together, half-split turns (j, j + D/2). So
 * row `half · D/2 + j` of a head in half-split order is its row `2j + half` in interleaved order.
 */
function interleavedRow(row: number, headDim: number): number {
  const inHead = row % headDim;
  const half = inHead < headDim / 2 ? 0 : 1;
  return row - inHead + 2 * (inHead - half * (headDim / 2)) + half;
}

/** Whole heads: the interleaved rows that the half-split rows of `range` are among. */
export const coveringHeads = ({ start, end }: RowRange, headDim: number): RowRange => ({
  start: Math.floor(start / headDim) * headDim,
  end: Math.ceil(end / headDim) * headDim,
});

/** Picks the half-split rows `range` out of `interleaved`, which holds the rows of `coveringHeads(range)`. */
export function toHalfSplit(interleaved: Float32Array, range: RowRange, headDim: number): Float32Array {
  const covering = coveringHeads(range, headDim);
  const columns = interleaved.length / Math.max(1, covering.end - covering.start);
  const rows = new Float32Array((range.end - range.start) * columns);
  for (let row = range.start; row < range.end; row++) {
    const from = (interleavedRow(row, headDim) - covering.start) * columns;
    rows.set(interleaved.subarray(from, from + columns), (row - range.start) * columns);
  }
  return rows;
}
