import { layerFile } from '../../model/shards/format.js';
import type { Shards } from '../../model/shards/open-shards.js';
import type { GraphBuilder, Value } from '../onnx/graph-builder.js';
import { attention } from './attention.js';
import { feedForward } from './feed-forward.js';
import type { StepInputs } from './inputs.js';
import { normed, type Residual } from './norm.js';
import { type CacheKind, pastOf } from './past.js';
import { Weights } from './weights.js';

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
