import type { FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import { BF16, type Encoding, F16, F32 } from '../checkpoint/encoding.js';
import { checkLayout, encodedSize, readRange, type StoredTensor } from '../checkpoint/stored-tensor.js';
import { isLfsPointer, lfsPointer } from '../checkpoint/metadata.js';

/** The format's own limit. */
const MAX_HEADER_BYTES = 100_000_000;

const encodings: ReadonlyMap<string, Encoding> = new Map([F32, F16, BF16].map((each) => [each.name, each]));

const size = z.number().int().nonnegative();
const headerSchema = z.record(
  z.string(),
  z.object({
    dtype: z.string(),
    shape: z.array(size).max(8),
    data_offsets: z.tuple([size, size]),
  }),
);

/**
 * Reads the tensors of a safetensors file: the header's length (64 bits, little-endian), the header (JSON),
 * then the data, to which offsets are relative. https://huggingface.co/docs/safetensors, "Format".
 * Throws `checkpoint_truncated`, `checkpoint_invalid` or `unsupported_quantization`.
 */
export async function readSafetensorsHeader(file: FileHandle, fileName: string): Promise<StoredTensor[]> {
  const { size } = await file.stat();
  const prefix = new Uint8Array(8);
  await readRange(file, 0, prefix);
  const headerBytes = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES) {
    if (isLfsPointer(new TextDecoder('latin1').decode(prefix))) throw lfsPointer(fileName);
    throw new ServingError('checkpoint_invalid', `${fileName} is not a safetensors file`);
  }
  const dataOffset = 8 + headerBytes;
  if (dataOffset > size) {
    throw new ServingError(
      'checkpoint_truncated',
      `${fileName} has ${size} bytes, its header ends at ${dataOffset}`,
    );
  }
  const header = new Uint8Array(headerBytes);
  await readRange(file, 8, header);

  const tensors = Object.entries(parseHeader(header, fileName)).map(([name, entry]) =>
    locate(name, entry, file, dataOffset),
  );
  checkLayout(tensors, size);
  return tensors;
}

type Entry = z.infer<typeof headerSchema>[string];

function parseHeader(bytes: Uint8Array, fileName: string): Record<string, Entry> {
  try {
    const header = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    const entries = Object.entries(header).filter(([name]) => name !== '__metadata__');
    return headerSchema.parse(Object.fromEntries(entries));
  } catch (reason) {
    throw new ServingError('checkpoint_invalid', `the header of ${fileName} does not parse`, {
      cause: reason,
    });
  }
}

function locate(name: string, entry: Entry, file: FileHandle, dataOffset: number): StoredTensor {
  const encoding = encodings.get(entry.dtype);
  if (encoding === undefined) {
    throw new ServingError(
      'unsupported_quantization',
      `tensor "${name}" is stored as ${entry.dtype.slice(0, 80)}`,
    );
  }
  const [start, end] = entry.data_offsets;
  const tensor = { name, file, offset: dataOffset + start, shape: entry.shape, encoding };
  if (end - start !== encodedSize(tensor)) {
    throw new ServingError(
      'checkpoint_invalid',
      `tensor "${name}" takes ${end - start} bytes, not the ${encodedSize(tensor)} of its shape`,
    );
  }
  return tensor;
}
