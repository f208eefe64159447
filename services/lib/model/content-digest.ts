import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';

/** Between reads, so that an 8 GiB model is hashed with this much memory. */
const CHUNK_BYTES = 1 << 20;

/**
 * sha256 (hex) of a model's content: of the file, or of the sorted names and contents of several. The same
 * model has the same digest wherever it lies.
 */
export async function contentDigest(paths: readonly string[], signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for (const path of [...paths].sort()) {
    if (paths.length > 1) hash.update(`${basename(path)}\0`);
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES, signal })) {
      hash.update(chunk as Buffer);
    }
  }
  return hash.digest('hex');
}
