import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { ServingError } from '../../errors/serving-error.js';

export interface BlobExpectation {
  readonly name: string;
  readonly size: number;
  /** Large files are listed with their digest, small ones only with git's hash. */
  readonly sha256: string | undefined;
}

/**
 * Writes a stream to `target` by way of a temporary name, so that a file with the final name is whole: its
 * size and digest are checked before the rename. Throws `download_failed`, `disk_full`, or what `stream` does.
 */
export async function downloadBlob(
  stream: AsyncIterable<Uint8Array>,
  target: string,
  { name, size, sha256 }: BlobExpectation,
  onReceived: (bytes: number) => void,
): Promise<void> {
  const temporary = `${target}.${process.pid}.incomplete`;
  const hash = createHash('sha256');
  let received = 0;
  try {
    const file = await open(temporary, 'w');
    try {
      for await (const chunk of stream) {
        await file.writeFile(chunk);
        hash.update(chunk);
        received += chunk.length;
        onReceived(chunk.length);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    if (received !== size) throw damaged(name, `${received} bytes arrived, not ${size}`);
    if (sha256 !== undefined && hash.digest('hex') !== sha256) throw damaged(name, 'its sha256 differs');
    await rename(temporary, target);
  } catch (reason) {
    await rm(temporary, { force: true });
    throw reason;
  }
}

const damaged = (name: string, problem: string): ServingError =>
  new ServingError('download_failed', `${name} did not arrive whole: ${problem}`);
