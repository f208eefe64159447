import type { FileHandle } from 'node:fs/promises';
import { ServingError } from '../errors/serving-error.js';

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
