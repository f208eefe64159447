import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { ServingError } from '../../errors/serving-error.js';
import { type FileRecord, PAGE_BYTES, type ShardDataType, type TensorRecord } from './format.js';
import { writeWhole } from '../write-whole.js';

/** A tensor on its way to disk: its bytes come in pieces, so that no matrix need be in memory as a whole. */
export interface TensorSource {
  readonly name: string;
  readonly dtype: ShardDataType;
  readonly shape: readonly number[];
  readonly chunks: AsyncIterable<ArrayBufferView> | Iterable<ArrayBufferView>;
}

/**
 * Writes one shard file: under a temporary name, flushed to disk, then renamed, so that a file with its final
 * name is whole. Nothing stays behind on failure; a full disk is `disk_full`.
 */
export async function writeShard(
  directory: string,
  name: string,
  tensors: Iterable<TensorSource> | AsyncIterable<TensorSource>,
  signal?: AbortSignal,
): Promise<FileRecord> {
  try {
    const record = await writeWhole(path.join(directory, name), (file) =>
      writeTensors(file, tensors, signal),
    );
    return { name, ...record };
  } catch (error) {
    signal?.throwIfAborted();
    throw ServingError.from(error);
  }
}

async function writeTensors(
  file: FileHandle,
  tensors: Iterable<TensorSource> | AsyncIterable<TensorSource>,
  signal: AbortSignal | undefined,
): Promise<Omit<FileRecord, 'name'>> {
  const hash = createHash('sha256');
  const records: Record<string, TensorRecord> = {};
  let size = 0;
  const append = async (bytes: Uint8Array): Promise<void> => {
    signal?.throwIfAborted();
    await file.writeFile(bytes);
    hash.update(bytes);
    size += bytes.byteLength;
  };
  for await (const { name, dtype, shape, chunks } of tensors) {
    await append(new Uint8Array((PAGE_BYTES - (size % PAGE_BYTES)) % PAGE_BYTES));
    const offset = size;
    for await (const chunk of chunks) {
      await append(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    }
    records[name] = { dtype, shape: [...shape], offset, length: size - offset };
  }
  return { size, sha256: hash.digest('hex'), tensors: records };
}
