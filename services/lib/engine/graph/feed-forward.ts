import type { GraphBuilder, Value } from '../onnx/graph-builder.js';
import { products, scaled } from './linear.js';
import type { Weights } from './weights.js';

/** `down(silu(gate(x)) * up(x))`. Two products, since one that is cut in two afterwards is copied whole. */
export function feedForward(graph: GraphBuilder, x: Value, weights: Weights): Value {
  const [gate, up] = products(graph, { rows: x, scale: null }, weights, ['gate', 'up']);
  // QuickGelu is x · sigmoid(alpha · x): SiLU, for an alpha of 1.
  const silu = graph.node('QuickGelu', [scaled(graph, gate!)], {
    domain: 'com.microsoft',
    attributes: { alpha: { float: 1 } },
  });
  // Here a row is multiplied by its scale only after `down`, where there are fewer values.
  const gated = { rows: graph.node('Mul', [silu, up!.rows]), scale: up!.scale };
  return scaled(graph, products(graph, gated, weights, ['down'])[0]!);
}
