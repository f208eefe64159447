import {
  alignmentOf,
  ggufHeader,
  paddingOf,
  type GgufValue,
} from '../../../scripts/lib/model/gguf-header.js';

export type { GgufValue };

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

export interface GgufTensor {
  readonly name: string;
  /** Row-major `[out, in]`. */
  readonly shape: readonly (number | bigint)[];
  /** ggml's type number; F32 unless given. */
  readonly type?: number;
  readonly data: Uint8Array | Float32Array;
  /** Instead of the next free aligned one. */
  readonly offset?: bigint;
}

/** A GGUF file as bytes, which may lie about itself. */
export function writeGguf(content: GgufContent): Uint8Array {
  const { metadata, tensors, magic, version, tensorCount, metadataCount } = content;
  const data = tensors.map((tensor) => {
    const bytes = Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
    return Buffer.concat([bytes, Buffer.alloc(paddingOf(bytes.length, alignmentOf(metadata)))]);
  });
  let next = 0;
  const infos = tensors.map(({ name, shape, type = 0, offset }, index) => {
    const info = { name, shape, type, offset: offset ?? next };
    next += data[index]!.length;
    return info;
  });
  const header = ggufHeader(metadata, infos);
  if (magic !== undefined) header.write(magic, 0, 'latin1');
  if (version !== undefined) header.writeUInt32LE(version, 4);
  if (tensorCount !== undefined) header.writeBigUInt64LE(tensorCount, 8);
  if (metadataCount !== undefined) header.writeBigUInt64LE(metadataCount, 16);
  return Buffer.concat([header, ...data]);
}
