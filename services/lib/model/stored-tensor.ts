import type { FileHandle } from 'node:fs/promises';
import { ServingError } from '../errors/serving-error.js';
import type { Encoding } from './checkpoint/encoding.js';
import { readRange } from './file-range.js';
import type { RowRange } from './types.js';

/** A tensor where it lies in its file. */
export interface StoredTensor {
  /** The file's own name for it. */
  readonly name: string;
  readonly file: FileHandle;
  /** Of its first byte in the file. */
  readonly offset: number;
  /** Row-major: `[out, in]`, or `[size]` of a vector. */
  readonly shape: readonly number[];
  readonly encoding: Encoding;
}

/** Encoded bytes held at a time while reading; the decoded floats are the caller's. */
const CHUNK_BYTES = 4 << 20;

/** The rows asked for, or all of a tensor's; throws for rows that it does not have. */
export function checkedRows(tensor: StoredTensor, rows?: RowRange): RowRange {
  const count = tensor.shape.slice(0, -1).reduce((product, size) => product * size, 1);
  const { start, end } = rows ?? { start: 0, end: count };
  if (!(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= count)) {
    throw new ServingError('internal', `rows ${start} to ${end} of "${tensor.name}", which has ${count}`);
  }
  return { start, end };
}

/** Reads a tensor, or the rows `[start, end)` of a matrix, as float32. Throws `checkpoint_truncated`. */
export async function readTensor(tensor: StoredTensor, rows?: RowRange): Promise<Float32Array> {
  const { start, end } = checkedRows(tensor, rows);
  const length = tensor.shape.at(-1)!;
  const { blockSize, blockBytes } = tensor.encoding;
  const rowBytes = (length / blockSize) * blockBytes;
  const rowsPerChunk = Math.max(1, Math.floor(CHUNK_BYTES / rowBytes));
  const weights = new Float32Array((end - start) * length);
  const chunk = new Uint8Array(Math.min(rowsPerChunk, end - start) * rowBytes);

  for (let row = start; row < end; row += rowsPerChunk) {
    const next = Math.min(row + rowsPerChunk, end);
    const bytes = chunk.subarray(0, (next - row) * rowBytes);
    await readRange(tensor.file, tensor.offset + row * rowBytes, bytes);
    tensor.encoding.dequantize(bytes, weights.subarray((row - start) * length, (next - start) * length));
  }
  return weights;
}
