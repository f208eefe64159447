import { layerFile } from '../../model/shards/format.js';
import type { Shards } from '../../model/shards/open-shards.js';
import type { GraphBuilder, Value } from '../onnx/graph-builder.js';
import { attention } from './attention.js';
import { type CacheKind, pastOf, type StepInputs } from './inputs.js';
import { products, scaled, Weights } from './linear.js';

/** The residual stream, and what the last block has computed but not yet added to it. */
export interface Residual {
  readonly stream: Value;
  readonly delta: Value | null;
}

export interface Block {
  readonly residual: Residual;
  /** This step's keys and values, `[B, kvHeads, 1, S, headDim]` each. */
  readonly newRows: readonly Value[];
}

/** One transformer block. Its cache is an input of the model, which it only reads. */
export function block(
  graph: GraphBuilder,
  shards: Shards,
  layer: number,
  residual: Residual,
  inputs: StepInputs,
  cache: CacheKind,
): Block {
  const { config } = shards;
  const weights = new Weights(graph, shards.file(layerFile(layer)));
  const past = pastOf(graph, layer, cache);

  const first = normed(graph, residual, weights.value('attn_norm'), config.normEpsilon);
  const attended = attention(graph, first.normed, weights, past, inputs, config);
  const half = { stream: first.stream, delta: attended.output };
  const second = normed(graph, half, weights.value('ffn_norm'), config.normEpsilon);
  const delta = feedForward(graph, second.normed, weights);
  return { residual: { stream: second.stream, delta }, newRows: [attended.newKey, attended.newValue] };
}

/** `down(silu(gate(x)) * up(x))`. Two products, since one that is cut in two afterwards is copied whole. */
function feedForward(graph: GraphBuilder, x: Value, weights: Weights): Value {
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

/** RMSNorm of the residual stream; the pending addition is done by the same kernel. */
export function normed(
  graph: GraphBuilder,
  { stream, delta }: Residual,
  weight: Value,
  epsilon: number,
): { normed: Value; stream: Value } {
  const attributes = { epsilon: { float: epsilon } };
  if (delta === null) {
    return { normed: graph.node('SimplifiedLayerNormalization', [stream, weight], { attributes }), stream };
  }
  const [output, , , sum] = graph.nodes('SkipSimplifiedLayerNormalization', [stream, delta, weight], 4, {
    domain: 'com.microsoft',
    attributes,
  });
  return { normed: output!, stream: sum! };
}

/** The residual stream with everything added to it. */
export const sum = (graph: GraphBuilder, { stream, delta }: Residual): Value =>
  delta === null ? stream : graph.node('Add', [stream, delta]);
