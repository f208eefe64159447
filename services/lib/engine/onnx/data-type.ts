/** ONNX's TensorProto.DataType, as far as Layermesh uses it. */
export const DataType = { f32: 1, u8: 2, i8: 3, i64: 7, f16: 10 } as const;

export type DataTypeName = keyof typeof DataType;

export const bytesPerElement: Record<DataTypeName, number> = { f32: 4, u8: 1, i8: 1, i64: 8, f16: 2 };
