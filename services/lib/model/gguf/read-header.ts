import type { FileHandle } from 'node:fs/promises';
import { gguf, type GGUFParseOutput } from '@huggingface/gguf';
import { ServingError } from '../../errors/serving-error.js';
import { checkLayout, readRange, type StoredTensor } from '../checkpoint/stored-tensor.js';
import { isLfsPointer, lfsPointer } from '../checkpoint/metadata.js';
import { ggufEncoding } from './blocks.js';
import { withTokenTexts } from './token-texts.js';

interface GgufHeader {
  readonly metadata: Readonly<Record<string, unknown>>;
  /** By name; each checked to lie within the file, apart from the others. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** Every key as it stands in the file; `strict` would type only the known ones. */
type Parsed = GGUFParseOutput<{ strict: false }>;

/** Magic, version, number of tensors, number of key-value pairs. */
const PREAMBLE_BYTES = 24;
/** An empty key, its type and one byte of value. */
const SMALLEST_PAIR = 13;
/** An empty name, its number of dimensions, one dimension, type and offset. */
const SMALLEST_TENSOR = 32;

/**
 * Reads what a GGUF file says about itself and checks it against the file's size before anything else is
 * read by it. Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 * Throws `not_a_checkpoint`, `checkpoint_truncated`, `checkpoint_invalid` or `unsupported_quantization`.
 */
export async function readGgufHeader(file: FileHandle, signal?: AbortSignal): Promise<GgufHeader> {
  const { size } = await file.stat();
  await checkPreamble(file, size);
  const parsed = await parse(file, size, signal);
  const tensors = locate(parsed, file);
  checkLayout(tensors, size);
  const [endOfPairs] = parsed.tensorInfoByteRange;
  const metadata = await withTokenTexts(parsed.metadata, file, [PREAMBLE_BYTES, endOfPairs]);
  return { metadata, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) };
}

/** The counts are checked here because the parser fills its lists by them before it meets the end. */
async function checkPreamble(file: FileHandle, size: number): Promise<void> {
  const bytes = new Uint8Array(Math.min(size, PREAMBLE_BYTES));
  await readRange(file, 0, bytes);
  const start = new TextDecoder('latin1').decode(bytes);
  if (!start.startsWith('GGUF')) {
    if (isLfsPointer(start.slice(0, 8))) throw lfsPointer('the file');
    throw new ServingError('not_a_checkpoint', 'the file does not start with the magic GGUF');
  }
  if (bytes.length < PREAMBLE_BYTES) {
    throw new ServingError('checkpoint_truncated', `the file has only ${size} bytes`);
  }
  const view = new DataView(bytes.buffer);
  const version = view.getUint32(4, true);
  if (version !== 2 && version !== 3) {
    throw new ServingError('checkpoint_invalid', `GGUF version ${version} is not supported`, {
      hint: 'convert it with a current llama.cpp, in little-endian byte order',
    });
  }
  const tensors = view.getBigUint64(8, true);
  const pairs = view.getBigUint64(16, true);
  if (tensors * BigInt(SMALLEST_TENSOR) + pairs * BigInt(SMALLEST_PAIR) > BigInt(size)) {
    throw new ServingError(
      'checkpoint_truncated',
      `the header counts ${tensors} tensors and ${pairs} key-value pairs, more than ${size} bytes hold`,
    );
  }
}

async function parse(file: FileHandle, size: number, signal?: AbortSignal): Promise<Parsed> {
  let parsed: Parsed;
  try {
    // The library's own reader of local files never tells where the file ends. The address only makes it
    // use `fetch`.
    parsed = await gguf('http://localhost/', { fetch: fetchFrom(file, size, signal) });
  } catch (reason) {
    signal?.throwIfAborted();
    if (reason instanceof ServingError) throw reason;
    const problem = reason instanceof Error ? reason.message : String(reason);
    throw new ServingError('checkpoint_invalid', `the GGUF header does not parse: ${problem}`, {
      cause: reason,
    });
  }
  if (parsed.tensorInfoByteRange[1] > size) throw endsInHeader();
  const parts = Number(parsed.metadata['split.count'] ?? 1);
  if (parts > 1) {
    throw new ServingError('checkpoint_invalid', `the file is one of ${parts} parts of a model`, {
      hint: 'join them with llama-gguf-split --merge',
    });
  }
  return parsed;
}

/**
 * A `fetch` that answers range requests out of the file. The parser asks for one chunk ahead of need, so
 * what lies less than a chunk past the end is answered empty; only a header that does not end asks for more.
 */
function fetchFrom(file: FileHandle, size: number, signal?: AbortSignal): typeof fetch {
  return async (_, init) => {
    signal?.throwIfAborted();
    const range = /bytes=(\d+)-(\d+)/.exec(new Headers(init?.headers).get('range') ?? '')!;
    const start = Number(range[1]);
    const end = Number(range[2]) + 1;
    if (start - (end - start) >= size) throw endsInHeader();
    const bytes = new Uint8Array(Math.max(0, Math.min(size, end) - start));
    await readRange(file, start, bytes);
    return new Response(bytes);
  };
}

const endsInHeader = (): ServingError =>
  new ServingError('checkpoint_truncated', 'the file ends within its header');

/** Tensors by the header: GGUF counts dimensions from the innermost, and offsets from the aligned header end. */
function locate(parsed: Parsed, file: FileHandle): StoredTensor[] {
  const alignment = Number(parsed.metadata['general.alignment'] ?? 32);
  if (!Number.isInteger(alignment) || alignment < 1 || alignment > 1 << 20) {
    throw new ServingError('checkpoint_invalid', `general.alignment is ${alignment}`);
  }
  const dataOffset = Math.ceil(parsed.tensorInfoByteRange[1] / alignment) * alignment;
  return parsed.tensorInfos.map(({ name, shape, dtype, offset }) => ({
    name,
    file,
    offset: dataOffset + Number(offset),
    shape: shape.map(Number).reverse(),
    encoding: ggufEncoding(dtype, name),
  }));
}
