/** What the tests put into a GGUF file; whatever is left out is as it should be. */
export interface GgufContent {
  readonly magic?: string;
  readonly version?: number;
  readonly metadata: Readonly<Record<string, GgufValue>>;
  readonly tensors: readonly GgufTensor[];
  /** Instead of the true counts. */
  readonly tensorCount?: bigint;
  readonly metadataCount?: bigint;
}

export type GgufValue = string | number | boolean | bigint | readonly string[] | readonly number[];

export interface GgufTensor {
  readonly name: string;
  /** Row-major `[out, in]`; written innermost first, as the format has it. */
  readonly shape: readonly (number | bigint)[];
  /** ggml's type number; F32 unless given. */
  readonly type?: number;
  readonly data: Uint8Array | Float32Array;
  /** Instead of the next free aligned one. */
  readonly offset?: bigint;
}

/** A GGUF file as bytes (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). */
export function writeGguf(content: GgufContent): Uint8Array {
  const alignment = Number(content.metadata['general.alignment'] ?? 32);
  const padding = (length: number) => Buffer.alloc((alignment - (length % alignment)) % alignment);
  const data = content.tensors.map((tensor) => {
    const bytes = Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
    return Buffer.concat([bytes, padding(bytes.length)]);
  });

  let next = 0n;
  const infos = content.tensors.map((tensor, index) => {
    const offset = tensor.offset ?? next;
    next += BigInt(data[index]!.length);
    const dimensions = [...tensor.shape].reverse().map((size) => u64(size));
    return [text(tensor.name), u32(tensor.shape.length), ...dimensions, u32(tensor.type ?? 0), u64(offset)];
  });
  const pairs = Object.entries(content.metadata);
  const header = Buffer.concat([
    Buffer.from(content.magic ?? 'GGUF', 'latin1'),
    u32(content.version ?? 3),
    u64(content.tensorCount ?? content.tensors.length),
    u64(content.metadataCount ?? pairs.length),
    ...pairs.flatMap(([key, value]) => [text(key), ...typedValue(value)]),
    ...infos.flat(),
  ]);
  return Buffer.concat([header, padding(header.length), ...data]);
}

function typedValue(value: GgufValue): Buffer[] {
  if (!Array.isArray(value)) {
    const [type, bytes] = scalar(value as Exclude<GgufValue, readonly unknown[]>);
    return [u32(type), bytes];
  }
  const elements = value.map((element: string | number) => scalar(element));
  return [u32(9), u32(elements[0]?.[0] ?? 4), u64(elements.length), ...elements.map(([, bytes]) => bytes)];
}

function scalar(value: string | number | boolean | bigint): [type: number, bytes: Buffer] {
  if (typeof value === 'string') return [8, text(value)];
  if (typeof value === 'boolean') return [7, Buffer.from([Number(value)])];
  if (typeof value === 'bigint') return [10, u64(value)];
  return Number.isInteger(value) ? [4, u32(value)] : [6, f32(value)];
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
