import type { GraphBuilder, Value } from '../onnx/graph-builder.js';

export interface QuantizedRows {
  /** u8, 128 standing for zero. */
  readonly values: Value;
  readonly zeroPoint: Value;
  /** The step of `values`, for a row whose largest magnitude is 1. */
  readonly unit: Value;
  /** Each row's largest magnitude, `[..., 1]`. */
  readonly scale: Value;
}

/**
 * Quantises each row (token) by its own largest magnitude, so that a token's result does not depend on what
 * else is in the batch. A row of zeros becomes 0/0, which quantises to anything and is then scaled by 0.
 */
export function quantizeRows(graph: GraphBuilder, x: Value): QuantizedRows {
  const scale = graph.node('ReduceMax', [graph.node('Abs', [x]), graph.ints(-1)]);
  const unit = graph.scalar('f32', 1 / 127);
  const zeroPoint = graph.scalar('u8', 128);
  const values = graph.node('QuantizeLinear', [graph.node('Div', [x, scale]), unit, zeroPoint]);
  return { values, zeroPoint, unit, scale };
}
