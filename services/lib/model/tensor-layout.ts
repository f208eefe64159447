import { ServingError } from '../errors/serving-error.js';
import type { Encoding } from './checkpoint/encoding.js';

/** What a header says of a tensor, before any of it is believed. */
export interface DeclaredTensor {
  readonly name: string;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly encoding: Encoding;
}

/**
 * Bytes that a tensor of this shape takes; throws `checkpoint_invalid` for shapes that no file can hold, or
 * whose rows are not whole blocks.
 */
export function encodedSize({ name, shape, encoding }: Omit<DeclaredTensor, 'offset'>): number {
  const weights = shape.reduce((product, size) => product * size, 1);
  const bytes = (weights / encoding.blockSize) * encoding.blockBytes;
  if (
    shape.length === 0 ||
    shape.length > 4 ||
    !shape.every((size) => size > 0) ||
    !Number.isSafeInteger(bytes)
  ) {
    throw new ServingError(
      'checkpoint_invalid',
      `tensor "${name}" has the impossible shape [${shape.join(', ')}]`,
    );
  }
  if (shape.at(-1)! % encoding.blockSize !== 0) {
    throw new ServingError(
      'checkpoint_invalid',
      `tensor "${name}" has rows of ${shape.at(-1)!}, not whole ${encoding.name} blocks of ${encoding.blockSize}`,
    );
  }
  return bytes;
}

/**
 * Checks that every tensor lies within `[0, fileSize)` and that no two share a name or a byte, so that
 * whatever is read later is what the header says. Throws `checkpoint_truncated` or `checkpoint_invalid`.
 */
export function checkLayout(tensors: readonly DeclaredTensor[], fileSize: number): void {
  const names = new Set<string>();
  let previous: { name: string; end: number } = { name: '', end: 0 };
  for (const tensor of [...tensors].sort((a, b) => a.offset - b.offset)) {
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
