import ort from 'onnxruntime-node';

/** What ONNX takes as indices and shapes. */
export const int64 = (values: readonly number[], shape: number[]): ort.Tensor =>
  new ort.Tensor('int64', BigInt64Array.from(values, BigInt), shape);
