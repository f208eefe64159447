import type { GraphBuilder, Value } from '../onnx/graph-builder.js';
import { quantizeRows } from './quantize-rows.js';
import type { Weights } from './weights.js';

/** `x [R, in]` times a matrix: `[R, out]`, in the precision in which the shard keeps the matrix. */
export function linear(graph: GraphBuilder, x: Value, weights: Weights, name: string): Value {
  if (!weights.has(`${name}.scale`)) {
    return graph.node('FusedMatMul', [x, weights.value(name)], {
      domain: 'com.microsoft',
      attributes: { transB: 1 },
    });
  }
  const rotated = weights.has(`${name}.rotation`) ? rotate(graph, x, weights, `${name}.rotation`) : x;
  return int8Linear(graph, rotated, weights, name);
}

/** Rotates each run of values as long as the matrix; what the weights expect where nothing before could do it. */
function rotate(graph: GraphBuilder, x: Value, weights: Weights, name: string): Value {
  const [size] = weights.shape(name);
  const runs = graph.node('Reshape', [x, graph.ints(0, -1, size!)]);
  const rotated = graph.node('MatMul', [runs, weights.value(name)]);
  return graph.node('Reshape', [rotated, graph.ints(0, -1)]);
}

/**
 * Integer product of rows quantised on the fly with a matrix quantised per output channel: u8 · s8, the form
 * in which processors have instructions for it.
 */
function int8Linear(graph: GraphBuilder, x: Value, weights: Weights, name: string): Value {
  const rows = quantizeRows(graph, x);
  const product = graph.node(
    'MatMulIntegerToFloat',
    [rows.values, weights.value(name), rows.unit, weights.value(`${name}.scale`), rows.zeroPoint],
    { domain: 'com.microsoft' },
  );
  return graph.node('Mul', [product, rows.scale]);
}
