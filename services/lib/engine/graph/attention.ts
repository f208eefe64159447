import type { ModelConfig } from '../../model/types.js';
import type { GraphBuilder, Value } from '../onnx/graph-builder.js';
import type { Past, StepInputs } from './inputs.js';
import { linear, type Weights } from './linear.js';

export interface Attention {
  /** `[R, hidden]` */
  readonly output: Value;
  /** This step's rows of the KV cache, `[B, kvHeads, 1, S, headDim]`. */
  readonly newKey: Value;
  readonly newValue: Value;
}

/**
 * Grouped-query attention over a cache that is only read: the scores against the past and against this
 * step's own keys are computed apart, share one softmax, and weigh the past and the new values apart. So
 * nothing has to be appended to the cache inside the graph, and only the new rows leave it.
 *
 * `qkv` puts the query heads of a KV head and its key head side by side (`prepare/tensor-rows.ts`), and the
 * queries come scaled by 1 / sqrt(headDim).
 */
export function attention(
  graph: GraphBuilder,
  x: Value,
  weights: Weights,
  past: Past,
  inputs: StepInputs,
  config: ModelConfig,
): Attention {
  const { heads, kvHeads, headDim } = config;
  const group = heads / kvHeads;
  const places = graph.node('Gather', [linear(graph, x, weights, 'qkv'), inputs.rowsOfPlaces]);
  const [queriesAndKeys, values] = graph.nodes(
    'Split',
    [places, graph.ints((heads + kvHeads) * headDim, kvHeads * headDim)],
    2,
    { attributes: { axis: -1 } },
  );
  const rotated = graph.node(
    'RotaryEmbedding',
    [queriesAndKeys!, inputs.rotaryRows, inputs.cos, inputs.sin],
    { domain: 'com.microsoft', attributes: { num_heads: heads + kvHeads } },
  );
  const [queries, newKey] = graph.nodes(
    'Split',
    [byHead(graph, rotated, kvHeads, group + 1, headDim), graph.ints(group, 1)],
    2,
    { attributes: { axis: 2 } },
  );
  const newValue = byHead(graph, values!, kvHeads, 1, headDim);

  const query = graph.node('Reshape', [queries!, inputs.queryShape]);
  const newScores = graph.node('FusedMatMul', [query, newKey!], {
    domain: 'com.microsoft',
    attributes: { transB: 1 },
  });
  const scores = graph.node('Concat', [past.scores(query), newScores], { attributes: { axis: -1 } });
  const probabilities = graph.node('Softmax', [graph.node('Add', [scores, inputs.mask])], {
    attributes: { axis: -1 },
  });
  const [toPast, toNew] = graph.nodes('Split', [probabilities, inputs.pastAndNew], 2, {
    attributes: { axis: -1 },
  });
  const mixed = graph.node('Add', [past.mix(toPast!), graph.node('MatMul', [toNew!, newValue])]);

  // [B, kvHeads, group, S, headDim] -> [B * S, heads * headDim]
  const bySequence = graph.node('Reshape', [mixed, graph.ints(0, kvHeads, group, -1, headDim)]);
  const byToken = graph.node('Transpose', [bySequence], { attributes: { perm: [0, 3, 1, 2, 4] } });
  const byPlace = graph.node('Reshape', [byToken, graph.ints(-1, heads * headDim)]);
  const rows = graph.node('Gather', [byPlace, inputs.placesOfRows]);
  return { output: linear(graph, rows, weights, 'o'), newKey: newKey!, newValue };
}

/** `[B, S, kvHeads * parts * headDim]` -> `[B, kvHeads, parts, S, headDim]` */
function byHead(graph: GraphBuilder, values: Value, kvHeads: number, parts: number, headDim: number): Value {
  const split = graph.node('Reshape', [values, graph.ints(0, -1, kvHeads, parts, headDim)]);
  return graph.node('Transpose', [split], { attributes: { perm: [0, 2, 3, 1, 4] } });
}
