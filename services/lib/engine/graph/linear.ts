import type { GraphBuilder, Value } from '../onnx/graph-builder.js';
import { quantizeRows } from './quantize-rows.js';
import type { Weights } from './weights.js';

/** `x [B, S, in]` times a matrix: `[B, S, out]`, in the precision in which the shard keeps the matrix. */
export function linear(graph: GraphBuilder, x: Value, weights: Weights, name: string): Value {
  return weights.has(`${name}.scale`)
    ? int8Linear(graph, x, weights, name)
    : graph.node('FusedMatMul', [x, weights.value(name)], {
        domain: 'com.microsoft',
        attributes: { transB: 1 },
      });
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
