export interface SafetensorsTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array | Float32Array;
}

/** A safetensors file as bytes (https://huggingface.co/docs/safetensors, "Format"). */
export function writeSafetensors(tensors: Readonly<Record<string, SafetensorsTensor>>): Uint8Array {
  let next = 0;
  const entries = Object.entries(tensors).map(([name, { dtype, shape, data }]) => {
    const start = next;
    next += data.byteLength;
    return [name, { dtype, shape, data_offsets: [start, next] }];
  });
  const header = { __metadata__: { format: 'pt' }, ...(Object.fromEntries(entries) as object) };
  const data = Object.values(tensors).map((tensor) =>
    Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength),
  );
  return withHeader(JSON.stringify(header), Buffer.concat(data));
}

/** Any text as the header, with its length in front. */
export function withHeader(header: string, data: Uint8Array): Uint8Array {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([length, Buffer.from(header), data]);
}
