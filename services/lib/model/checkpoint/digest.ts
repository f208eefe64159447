import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { writeJson } from '../write-whole.js';
import { readJson } from './metadata.js';

/** The models of a user; the oldest are forgotten, and hashed again if they come back. */
const MAX_ENTRIES = 256;

/** Between reads, so that an 8 GiB model is hashed with this much memory. */
const CHUNK_BYTES = 1 << 20;

const entriesSchema = z.record(z.string(), z.object({ stamp: z.string(), digest: z.string().length(64) }));

/**
 * `contentDigest`, remembered in `digests.json` of the cache folder for as long as the files' sizes and
 * modification times stay: hashing a large model takes longer than starting to serve it.
 */
export async function rememberedDigest(
  path: string,
  files: readonly string[],
  cacheDirectory: string,
  signal?: AbortSignal,
): Promise<string> {
  const key = await realpath(path);
  const stamp = await stampOf(files);
  const memory = join(cacheDirectory, 'digests.json');
  const { [key]: known, ...others } = await recall(memory);
  if (known?.stamp === stamp) return known.digest;

  // What cannot be read or written is only forgotten: the digest can always be computed again.
  const digest = await contentDigest(files, signal);
  const newest = [...Object.entries(others), [key, { stamp, digest }] as const].slice(-MAX_ENTRIES);
  await mkdir(cacheDirectory, { recursive: true })
    .then(() => writeJson(memory, Object.fromEntries(newest)))
    .catch(() => undefined);
  return digest;
}

/**
 * sha256 (hex) of a model's content: of the file, or of the sorted names and contents of several. The same
 * model has the same digest wherever it lies.
 */
async function contentDigest(paths: readonly string[], signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths.toSorted()) {
    if (paths.length > 1) hash.update(`${basename(path)}\0`);
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES, signal })) {
      hash.update(chunk as Buffer);
    }
  }
  return hash.digest('hex');
}

async function stampOf(files: readonly string[]): Promise<string> {
  const stamps = files.map(async (file) => {
    const { size, mtimeMs } = await stat(file);
    return `${basename(file)}:${size}:${mtimeMs}`;
  });
  return (await Promise.all(stamps)).join('|');
}

async function recall(memory: string): Promise<z.infer<typeof entriesSchema>> {
  const content = await readJson(memory).catch(() => undefined);
  return entriesSchema.safeParse(content).data ?? {};
}
