import { layerFile } from '../../model/shards/format.js';
import type { Shards } from '../../model/shards/open-shards.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import { attention } from './attention.js';
import { feedForward } from './feed-forward.js';
import type { StepInputs } from './inputs.js';
import { newKeyName, newValueName, pastKeyName, pastValueName } from './names.js';
import { normed, type Residual } from './norm.js';
import { Weights } from './weights.js';

/** One transformer block. Its cache is an input of the model, and its new rows of the cache are outputs. */
export function block(
  graph: GraphBuilder,
  shards: Shards,
  layer: number,
  residual: Residual,
  inputs: StepInputs,
): Residual {
  const { config } = shards;
  const weights = new Weights(graph, shards.file(layerFile(layer)));
  const cached = ['B', config.kvHeads, 'P', config.headDim];
  const past = {
    key: graph.input(pastKeyName(layer), 'f32', cached),
    value: graph.input(pastValueName(layer), 'f32', cached),
  };

  const first = normed(graph, residual, weights.value('attn_norm'), config.normEpsilon);
  const attended = attention(graph, first.normed, weights, past, inputs, config);
  const added = ['B', config.kvHeads, 'S', config.headDim];
  graph.output(newKeyName(layer), attended.newKey, 'f32', added);
  graph.output(newValueName(layer), attended.newValue, 'f32', added);

  const half = { stream: first.stream, delta: attended.output };
  const second = normed(graph, half, weights.value('ffn_norm'), config.normEpsilon);
  return { stream: second.stream, delta: feedForward(graph, second.normed, weights, config.intermediate) };
}
