/** Integers are unsigned, of 32 bits or, as a bigint, of 64; a whole number that is meant as a float says so. */
export type GgufValue =
  | string
  | boolean
  | number
  | bigint
  | GgufFloat
  | Int32Array
  | readonly string[]
  | readonly number[];

interface GgufFloat {
  readonly f32: number;
}

export interface GgufTensorInfo {
  readonly name: string;
  /** Row-major `[out, in]`; written innermost first, as the format has it. */
  readonly shape: readonly (number | bigint)[];
  /** ggml's number of the encoding. */
  readonly type: number;
  /** From the end of the header; a multiple of the alignment. */
  readonly offset: number | bigint;
}

/** Numbers of the format's value types. */
const Type = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10 } as const;

const DEFAULT_ALIGNMENT = 32;

/**
 * Everything that stands before a GGUF file's tensors, padded so that they follow at once
 * (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
 */
export function ggufHeader(
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensorInfo[],
): Buffer {
  const pairs = Object.entries(metadata);
  const header = Buffer.concat([
    Buffer.from('GGUF', 'latin1'),
    u32(3),
    u64(tensors.length),
    u64(pairs.length),
    ...pairs.flatMap(([key, value]) => [text(key), ...typedValue(value)]),
    ...tensors.flatMap(({ name, shape, type, offset }) => [
      text(name),
      u32(shape.length),
      ...[...shape].reverse().map(u64),
      u32(type),
      u64(offset),
    ]),
  ]);
  return Buffer.concat([header, Buffer.alloc(paddingOf(header.length, alignmentOf(metadata)))]);
}

export const alignmentOf = (metadata: Readonly<Record<string, GgufValue>>): number =>
  Number(metadata['general.alignment'] ?? DEFAULT_ALIGNMENT);

/** Bytes from a length to the next multiple of the alignment. */
export const paddingOf = (length: number, alignment = DEFAULT_ALIGNMENT): number =>
  (alignment - (length % alignment)) % alignment;

function typedValue(value: GgufValue): Buffer[] {
  if (value instanceof Int32Array) {
    return [u32(Type.array), u32(Type.i32), u64(value.length), Buffer.from(value.buffer.slice(0))];
  }
  if (isList(value)) {
    const elements = value.map((element: string | number) => scalar(element));
    const type = elements[0]?.[0] ?? Type.u32;
    return [u32(Type.array), u32(type), u64(elements.length), ...elements.map(([, bytes]) => bytes)];
  }
  const [type, bytes] = scalar(value);
  return [u32(type), bytes];
}

const isList = (value: GgufValue): value is readonly string[] | readonly number[] => Array.isArray(value);

function scalar(value: string | boolean | number | bigint | GgufFloat): [type: number, bytes: Buffer] {
  if (typeof value === 'string') return [Type.string, text(value)];
  if (typeof value === 'boolean') return [Type.bool, Buffer.from([Number(value)])];
  if (typeof value === 'bigint') return [Type.u64, u64(value)];
  if (typeof value === 'object') return [Type.f32, f32(value.f32)];
  return Number.isInteger(value) ? [Type.u32, u32(value)] : [Type.f32, f32(value)];
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
