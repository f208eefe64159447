import type { FileHandle } from 'node:fs/promises';
import { ServingError } from '../../errors/serving-error.js';
import type { RowRange } from '../types.js';
import type { Encoding } from './encoding.js';

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

/** The rows asked for, or all of a tensor's; throws for rows that it does not have. */
export function checkedRows(tensor: StoredTensor, rows?: RowRange): RowRange {
  const count = tensor.shape.slice(0, -1).reduce((product, size) => product * size, 1);
  const { start, end } = rows ?? { start: 0, end: count };
  if (!(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= count)) {
    throw new ServingError('internal', `rows ${start} to ${end} of "${tensor.name}", which has ${count}`);
  }
  return { start, end };
}

/** Fills `target` with the file's bytes from `offset` on; throws `checkpoint_truncated` if the file ends first. */
export async function readRange(file: FileHandle, offset: number, target: Uint8Array): Promise<void> {
  let filled = 0;
  while (filled < target.length) {
    const { bytesRead } = await file.read(target, filled, target.length - filled, offset + filled);
    if (bytesRead === 0) {
      throw new ServingError('checkpoint_truncated', `the file ends at byte ${offset + filled}`);
    }
    filled += bytesRead;
  }
}

/**
 * Bytes that a tensor takes by what a header says of it; throws `checkpoint_invalid` for a shape that no file
 * can hold, or whose rows are not whole blocks.
 */
export function encodedSize({ name, shape, encoding }: StoredTensor): number {
  const invalid = (problem: string) =>
    new ServingError('checkpoint_invalid', `tensor "${name}" has ${problem}`);
  const weights = shape.reduce((product, size) => product * size, 1);
  const bytes = (weights / encoding.blockSize) * encoding.blockBytes;
  const possible = shape.length >= 1 && shape.length <= 4 && shape.every((size) => size > 0);
  if (!possible || !Number.isSafeInteger(bytes)) throw invalid(`the impossible shape [${shape.join(', ')}]`);
  const row = shape.at(-1)!;
  if (row % encoding.blockSize !== 0) {
    throw invalid(`rows of ${row}, not whole ${encoding.name} blocks of ${encoding.blockSize}`);
  }
  return bytes;
}

/**
 * Checks that every tensor lies within `[0, fileSize)` and that no two share a name or a byte, so that
 * whatever is read later is what the header says. Throws `checkpoint_truncated` or `checkpoint_invalid`.
 */
export function checkLayout(tensors: readonly StoredTensor[], fileSize: number): void {
  const names = new Set<string>();
  let previous = { name: '', end: 0 };
  for (const tensor of tensors.toSorted((a, b) => a.offset - b.offset)) {
    const { name, offset } = tensor;
    const end = offset + encodedSize(tensor);
    if (end > fileSize) {
      throw new ServingError(
        'checkpoint_truncated',
        `tensor "${name}" ends at byte ${end} but the file at ${fileSize}`,
      );
    }
    if (names.has(name)) throw new ServingError('checkpoint_invalid', `two tensors are named "${name}"`);
    if (offset < previous.end) {
      throw new ServingError('checkpoint_invalid', `tensors "${previous.name}" and "${name}" overlap`);
    }
    names.add(name);
    previous = { name, end };
  }
}
