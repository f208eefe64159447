import type { FileRecord } from '../../model/shards/format.js';
import type { ModelConfig } from '../../model/types.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { block } from './block.js';
import { stepInputs } from './inputs.js';
import { sum } from './norm.js';

/**
 * One layer alone, from `hidden [B, S, hidden]` to `hidden_out`, with the largest magnitude over all tokens of
 * each input of its down projection, `gated_maxima [intermediate]`.
 */
export function calibrationGraph(config: ModelConfig, file: FileRecord, layer: number): Uint8Array {
  const graph = new GraphBuilder(`calibration of layer ${layer}`);
  const inputs = stepInputs(graph, config);
  const stream = graph.input('hidden', 'f32', ['B', 'S', config.hidden]);
  const { residual, gated } = block(graph, { config, file: () => file }, layer, { stream, delta: null }, inputs);
  const maxima = graph.node('ReduceMax', [graph.node('Abs', [gated]), graph.ints(0, 1)], {
    attributes: { keepdims: 0 },
  });
  graph.output('gated_maxima', maxima, 'f32', [config.intermediate]);
  graph.output('hidden_out', sum(graph, residual), 'f32', ['B', 'S', config.hidden]);
  return graph.build();
}
