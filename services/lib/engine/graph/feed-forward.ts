import type { GraphBuilder, Value } from '../onnx/graph-builder.js';
import { linear } from './linear.js';
import type { Weights } from './weights.js';

/** `down(silu(gate(x)) * up(x))`; gate and up are one matrix. */
export function feedForward(graph: GraphBuilder, x: Value, weights: Weights, intermediate: number): Value {
  const [gate, up] = graph.nodes(
    'Split',
    [linear(graph, x, weights, 'gate_up'), graph.ints(intermediate, intermediate)],
    2,
    { attributes: { axis: -1 } },
  );
  // QuickGelu is x · sigmoid(alpha · x): SiLU, for an alpha of 1.
  const silu = graph.node('QuickGelu', [gate!], {
    domain: 'com.microsoft',
    attributes: { alpha: { float: 1 } },
  });
  return linear(graph, graph.node('Mul', [silu, up!]), weights, 'down');
}
